import { homedir } from "node:os";
import { workspace } from "vscode";

/** The settings of the extension itself; every other one in the section `dg` is the server's. */
export const OWN_SETTINGS = ["interpreter", "packageSource", "pipArguments", "torchIndex", "trace"] as const;

/** The value of an own setting that holds a text. */
export function ownSetting(name: (typeof OWN_SETTINGS)[number]): string {
  return workspace.getConfiguration("dg").get(name, "");
}

/** The URL of the engine elsewhere that the server is to use; empty: it runs here. */
export function engineUrl(): string {
  return workspace.getConfiguration("dg").get("engine.url", "");
}

/** A path as the user wrote it, with the home folder in the place of a leading `~`. */
export function withHome(path: string): string {
  return path.replace(/^~(?=\/)/, homedir());
}

/** What the server gets of the section `dg`: all but the extension's own settings. */
export function forServer(section: unknown): unknown {
  if (typeof section !== "object" || section === null) {
    return section;
  }
  const own: readonly string[] = OWN_SETTINGS;
  return Object.fromEntries(Object.entries(section).filter(([key]) => !own.includes(key)));
}
