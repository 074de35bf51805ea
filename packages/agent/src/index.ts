/** Folder, as a module's URL, from which the agent's own plugins and exporters are found. */
export const COMPONENTS_FROM: string = import.meta.url;
