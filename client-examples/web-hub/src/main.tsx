import { ApolloProvider } from "@apollo/client/react";
import { MantineProvider } from "@mantine/core";
import { Notifications as Toasts } from "@mantine/notifications";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, Navigate, Outlet, RouterProvider } from "react-router";
import { connect } from "./api/client";
import "./hub.css";
import { currentUser } from "./session";
import { Home } from "./shell/Home";
import { LostPage, NoSuchPage } from "./shell/NoSuchPage";
import { PageError } from "./shell/PageError";
import { Shell } from "./shell/Shell";
import { SignIn } from "./shell/SignIn";
import { readableColors, theme } from "./theme";
import { Loading } from "./ui/states";

const router = createBrowserRouter([
  {
    // Toasts hold links, so they live inside the router.
    element: (
      <>
        <Toasts containerWidth={340} limit={3} position="bottom-right" />
        <Outlet />
      </>
    ),
    HydrateFallback: Loading,
    children: [
      { path: "/", element: <Home /> },
      {
        path: "/t/:slug",
        element: <Shell />,
        children: [
          {
            // Each page is a separate chunk, loaded when it is opened.
            ErrorBoundary: PageError,
            children: [
              { index: true, element: <Navigate replace to="operations" /> },
              { path: "operations", lazy: async () => ({ Component: (await import("./operations/OperationsPage")).OperationsPage }) },
              { path: "operations/:runId", lazy: async () => ({ Component: (await import("./run/RunPage")).RunPage }) },
              { path: "inventory", lazy: async () => ({ Component: (await import("./inventory/InventoryPage")).InventoryPage }) },
              { path: "drift", lazy: async () => ({ Component: (await import("./drift/DriftPage")).DriftPage }) },
              { path: "groups", lazy: async () => ({ Component: (await import("./groups/GroupsPage")).GroupsPage }) },
              { path: "groups/:groupId", lazy: async () => ({ Component: (await import("./groups/GroupPage")).GroupPage }) },
              { path: "backup-sets", lazy: async () => ({ Component: (await import("./backup-sets/BackupSetsPage")).BackupSetsPage }) },
              { path: "backup-sets/:setId", lazy: async () => ({ Component: (await import("./backup-sets/BackupSetPage")).BackupSetPage }) },
              { path: "start", lazy: async () => ({ Component: (await import("./start/StartPage")).StartPage }) },
              { path: "start/:runType", lazy: async () => ({ Component: (await import("./start/StartRunPage")).StartRunPage }) },
              { path: "*", element: <NoSuchPage /> },
            ],
          },
        ],
      },
      { path: "*", element: <LostPage /> },
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
