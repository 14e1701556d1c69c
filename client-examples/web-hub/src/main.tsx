import { ApolloProvider } from "@apollo/client/react";
import { MantineProvider } from "@mantine/core";
import { Notifications as Toasts } from "@mantine/notifications";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, Navigate, Outlet, RouterProvider } from "react-router";
import { connect } from "./api/client";
import { BackupSetPage } from "./backup-sets/BackupSetPage";
import { BackupSetsPage } from "./backup-sets/BackupSetsPage";
import { DriftPage } from "./drift/DriftPage";
import "./hub.css";
import { InventoryPage } from "./inventory/InventoryPage";
import { OperationsPage } from "./operations/OperationsPage";
import { RunPage } from "./run/RunPage";
import { currentUser } from "./session";
import { Home } from "./shell/Home";
import { Shell } from "./shell/Shell";
import { SignIn } from "./shell/SignIn";
import { readableColors, theme } from "./theme";

const router = createBrowserRouter([
  {
    // Toasts hold links, so they live inside the router.
    element: (
      <>
        <Toasts containerWidth={340} limit={3} position="bottom-right" />
        <Outlet />
      </>
    ),
    children: [
      { path: "/", element: <Home /> },
      {
        path: "/t/:slug",
        element: <Shell />,
        children: [
          { index: true, element: <Navigate replace to="operations" /> },
          { path: "operations", element: <OperationsPage /> },
          { path: "operations/:runId", element: <RunPage /> },
          { path: "inventory", element: <InventoryPage /> },
          { path: "drift", element: <DriftPage /> },
          { path: "backup-sets", element: <BackupSetsPage /> },
          { path: "backup-sets/:setId", element: <BackupSetPage /> },
        ],
      },
      { path: "*", element: <Navigate replace to="/" /> },
    ],
  },
]);

const root = document.querySelector("#hub");

if (root) {
  createRoot(root).render(
    <MantineProvider cssVariablesResolver={readableColors} defaultColorScheme="auto" theme={theme}>
      {currentUser ? (
        <ApolloProvider client={connect(currentUser.token)}>
          <RouterProvider router={router} />
        </ApolloProvider>
      ) : (
        <SignIn />
      )}
    </MantineProvider>,
  );
}
