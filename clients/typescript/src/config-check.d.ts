/** Made by scripts/build-config-check.mjs from generated/pod-config.schema.json. */
export const validate: {
  (config: unknown): boolean;
  errors?: { instancePath: string; keyword: string; message?: string; params: Record<string, unknown> }[] | null;
};
