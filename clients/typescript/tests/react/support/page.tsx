import { PodAdmin, PodProgress, PodTerminal } from "@pinacle/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

// As an app's own page would be: strict, and with several components on one stream.
const podId = new URLSearchParams(location.search).get("pod");
const url = `/pods/${podId}/stream`;
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    {podId === null ? (
      <PodAdmin url="/admin" />
    ) : (
      <>
        <PodProgress url={url} />
        <PodTerminal url={url} />
      </>
    )}
  </StrictMode>,
);
