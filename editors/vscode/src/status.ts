import { type Disposable, type StatusBarItem, StatusBarAlignment, ThemeColor, window } from "vscode";

/** The parameters of the server's notification `didChangeStatus`. */
export interface ServerStatus {
  busy: boolean;
  message: string;
  kind: "Normal" | "Warning" | "Error" | "Inactive";
}

const ICONS: Record<ServerStatus["kind"], string> = {
  Normal: "$(sparkle)",
  Warning: "$(warning)",
  Error: "$(error)",
  Inactive: "$(circle-slash)",
};

/** The item in the status bar: what the server last said, or that it is paused. A click opens the menu. */
export class Status implements Disposable {
  private readonly item: StatusBarItem;
  private server: ServerStatus = { busy: true, message: "Starting", kind: "Normal" };
  private paused = "";

  constructor() {
    this.item = window.createStatusBarItem("dg.status", StatusBarAlignment.Right, 100);
    this.item.name = "dg-lsp";
    this.item.command = "dg.menu";
    this.show();
    this.item.show();
  }

  get now(): ServerStatus {
    return this.server;
  }

  /** One line for the menu's head. */
  get line(): string {
    return this.showsPause ? this.paused : this.server.message;
  }

  /** What is wrong or under way is told first. */
  private get showsPause(): boolean {
    return this.paused !== "" && !this.server.busy && this.server.kind !== "Error";
  }

  set(status: ServerStatus): void {
    this.server = status;
    this.show();
  }

  fail(message: string): void {
    this.set({ busy: false, message, kind: "Error" });
  }

  /** Show why nothing is suggested in the active editor; "": it is not paused. */
  setPaused(why: string): void {
    this.paused = why;
    this.show();
  }

  dispose(): void {
    this.item.dispose();
  }

  private show(): void {
    const { busy, message, kind } = this.server;
    const icon = busy ? "$(loading~spin)" : this.showsPause ? "$(debug-pause)" : ICONS[kind];
    const loading = /^Loading.*?(\d+ %)/.exec(message)?.[1];
    this.item.text = loading === undefined ? `${icon} dg` : `${icon} dg ${loading}`;
    this.item.tooltip = `dg-lsp: ${this.line}`;
    this.item.accessibilityInformation = { label: `dg-lsp: ${this.line}`, role: "button" };
    this.item.backgroundColor =
      kind === "Error" ? new ThemeColor("statusBarItem.errorBackground")
      : kind === "Warning" ? new ThemeColor("statusBarItem.warningBackground")
      : undefined;
  }
}
