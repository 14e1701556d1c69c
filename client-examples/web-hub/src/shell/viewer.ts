import { graphql } from "../gql";

export const ViewerQuery = graphql(`
  query Viewer {
    viewer {
      memberships {
        role
        tenant { id slug name provider }
      }
    }
  }
`);
