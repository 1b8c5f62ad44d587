import "./ui/global.css";

import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { whenSignedOut } from "./api/client";
import { queries } from "./api/query";
import { sessionQuery } from "./api/session";
import { router } from "./app/router";
import { schemeManager } from "./app/scheme";
import { ConfirmProvider } from "./ui/confirm";
import { theme, variables } from "./ui/theme";

// Style elements that libraries make show this response's nonce; without it the page's policy refuses them.
const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
setNonce(nonce);

whenSignedOut(() => {
  const session = queries.getQueryData(sessionQuery.queryKey);
  // Only one who was signed in has been signed out; the sign-in page asks and is refused, too.
  if (session !== null && session !== undefined) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
});

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      colorSchemeManager={schemeManager}
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={queries}>
        <ConfirmProvider>
          <RouterProvider router={router} />
        </ConfirmProvider>
        <Notifications position="bottom-right" limit={4} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
