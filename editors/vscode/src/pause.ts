import { ConfigurationTarget, type Disposable, EventEmitter, type TextDocument, workspace } from "vscode";

const ALL = "inline.enabled";
const LANGUAGES = "inline.disabledLanguages";

/** Where ghost text that nobody asked for is paused: in files, for this session; in a language or everywhere, by settings. */
export class Pause implements Disposable {
  private readonly files = new Set<string>();
  private readonly changed = new EventEmitter<void>();
  private readonly subscription: Disposable;
  readonly onDidChange = this.changed.event;

  constructor() {
    this.subscription = workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("dg.inline")) {
        this.changed.fire();
      }
    });
  }

  /** Why nothing is suggested by itself in `document`; "": it is not paused. */
  reason(document: TextDocument): string {
    if (this.hasFile(document)) {
      return "paused in this file";
    }
    if (this.hasAll()) {
      return `paused (dg.${ALL})`;
    }
    return this.hasLanguage(document) ? `paused for ${document.languageId} (dg.${LANGUAGES})` : "";
  }

  hasFile(document: TextDocument): boolean {
    return this.files.has(document.uri.toString());
  }

  hasLanguage(document: TextDocument): boolean {
    return languages().includes(document.languageId);
  }

  hasAll(): boolean {
    return !workspace.getConfiguration("dg").get(ALL, true);
  }

  toggleFile(document: TextDocument): void {
    const uri = document.uri.toString();
    if (!this.files.delete(uri)) {
      this.files.add(uri);
    }
    this.changed.fire();
  }

  async toggleLanguage({ languageId }: TextDocument): Promise<void> {
    const others = languages().filter((language) => language !== languageId);
    const next = others.length === languages().length ? [...others, languageId] : others;
    await change(LANGUAGES, next);
  }

  async toggleAll(): Promise<void> {
    await change(ALL, this.hasAll());
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }
}

function languages(): string[] {
  return workspace.getConfiguration("dg").get<string[]>(LANGUAGES, []);
}

/** In the workspace's settings where they have it, for there it counts; else in the user's. No folder can set it. */
async function change(key: string, value: unknown): Promise<void> {
  const settings = workspace.getConfiguration("dg");
  const inWorkspace = settings.inspect(key)?.workspaceValue !== undefined;
  await settings.update(key, value, inWorkspace ? ConfigurationTarget.Workspace : ConfigurationTarget.Global);
}
