const EDITOR_PORT = 8726;
const TERMINAL_PORT = 7681;

/** Where a browser finds what runs in a pod; docs/contract.md, section 5. */
export function addresses(publicUrl: string): { page: string; editor: string; terminal: string } {
  const onPort = (port: number) => {
    const url = new URL(publicUrl);
    url.hostname = `localhost-${port}.${url.hostname}`;
    return url.href;
  };
  return { page: publicUrl, editor: onPort(EDITOR_PORT), terminal: onPort(TERMINAL_PORT) };
}
