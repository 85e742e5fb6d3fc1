// The page's beginning: draws the frame, starts listening to the hub, and shows the view that the address names.
import { render } from "preact";
import { start } from "./state/live.ts";
import { App } from "./views/app.tsx";

render(<App />, document.getElementById("page")!);
start();
