import type { Terminal } from "@xterm/xterm";

/** Lines that can be scrolled back to. A line has some kilobytes at most, so that a long log costs no more than a short one. */
const SCROLLBACK_LINES = 10_000;
/** What WCAG asks of text; a program's colours are made for dark terminals. */
const CONTRAST = 4.5;

/** A terminal in `element` that shows and takes no input, and what ends it. */
export async function openTerminal(element: HTMLElement): Promise<{ terminal: Terminal; dispose: () => void }> {
  const [xterm, { FitAddon }] = await Promise.all([import("@xterm/xterm"), import("@xterm/addon-fit")]);
  const terminal = new xterm.Terminal({
    convertEol: true,
    disableStdin: true,
    fontFamily: getComputedStyle(element).fontFamily,
    fontSize: parseFloat(getComputedStyle(element).fontSize),
    minimumContrastRatio: CONTRAST,
    screenReaderMode: true,
    scrollback: SCROLLBACK_LINES,
    theme: theme(element),
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type === "keydown" && scroll(terminal, event)) event.preventDefault();
    // Every key is the browser's: Tab leaves the terminal, and Ctrl+C copies.
    return false;
  });
  const resized = new ResizeObserver(() => fit.fit());
  resized.observe(element);
  const stopTheme = onScheme(() => (terminal.options.theme = theme(element)));
  return {
    terminal,
    dispose: () => {
      stopTheme();
      resized.disconnect();
      terminal.dispose();
    },
  };
}

function scroll(terminal: Terminal, { key, ctrlKey, altKey, metaKey }: KeyboardEvent): boolean {
  if (ctrlKey || altKey || metaKey) return false;
  const scrolls: Record<string, () => void> = {
    ArrowUp: () => terminal.scrollLines(-1),
    ArrowDown: () => terminal.scrollLines(1),
    PageUp: () => terminal.scrollPages(-1),
    PageDown: () => terminal.scrollPages(1),
    Home: () => terminal.scrollToTop(),
    End: () => terminal.scrollToBottom(),
  };
  scrolls[key]?.();
  return key in scrolls;
}

// The colours that the style sheet gives the element, which go by the page's light or dark scheme.
function theme(element: HTMLElement): { background: string; foreground: string; cursor: string; selectionBackground: string } {
  const { backgroundColor, color } = getComputedStyle(element);
  // Nobody types, so there is no cursor to look for.
  return { background: backgroundColor, foreground: color, cursor: backgroundColor, selectionBackground: "#7f9fd166" };
}

// The system's scheme changes, or the page's own switch sets a class, an attribute or a style of its root.
function onScheme(change: () => void): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", change);
  const root = new MutationObserver(change);
  root.observe(document.documentElement, { attributes: true });
  return () => {
    dark.removeEventListener("change", change);
    root.disconnect();
  };
}
