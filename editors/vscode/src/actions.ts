import { type TextEditor, window, workspace } from "vscode";
import {
  type CodeAction,
  CodeActionRequest,
  CodeActionResolveRequest,
  Command,
  type LanguageClient,
} from "vscode-languageclient/node";

/** The commands of the palette, and the code action that each one runs: its name in the server's data, and what it does. */
export const FILLS: Readonly<Record<string, Fill>> = {
  "dg.fillFunction": { name: "function", what: "the cursor in a function without a body" },
  "dg.fillFunctionHoles": { name: "holes", what: "the cursor in a function with several gaps" },
  "dg.fillFileHoles": { name: "file", what: "the cursor on a gap: an empty function, an empty case or a TODO" },
  "dg.fillTodo": { name: "todo", what: "the cursor on a TODO comment that has its lines for itself" },
  "dg.fillArm": { name: "arm", what: "the cursor in an empty case of a match or switch" },
  "dg.fillArguments": { name: "arguments", what: "the cursor between the empty brackets of a call" },
  "dg.fillCondition": { name: "condition", what: "the cursor in an empty condition" },
  "dg.rewriteSelection": { name: "selection", what: "selected text" },
  "dg.writeDocstring": { name: "docstring", what: "the cursor on the first line of a function or in its docstring" },
  "dg.reroll": { name: "reroll", what: "the cursor in the last fill or beside it" },
};

interface Fill {
  /** What the server calls the action. Its title is for people, and may change. */
  readonly name: string;
  /** Where it is offered. */
  readonly what: string;
}

/** Run a code action at the selection of `editor`; says where it is of use when the server does not offer it there. */
export async function runAction(client: LanguageClient, editor: TextEditor, { name, what }: Fill): Promise<void> {
  const action = await offered(client, editor, name);
  if (action === undefined) {
    void window.showInformationMessage(`dg-lsp: this is not offered here: it needs ${what}.`);
    return;
  }
  const resolved = await client.sendRequest(CodeActionResolveRequest.type, action);
  const edit = await client.protocol2CodeConverter.asWorkspaceEdit(resolved.edit);
  if (edit !== undefined) {
    await workspace.applyEdit(edit, { isRefactoring: true });
  }
}

async function offered(client: LanguageClient, editor: TextEditor, name: string): Promise<CodeAction | undefined> {
  const converter = client.code2ProtocolConverter;
  const answer = await client.sendRequest(CodeActionRequest.type, {
    textDocument: converter.asTextDocumentIdentifier(editor.document),
    range: converter.asRange(editor.selection),
    context: { diagnostics: [] },
  });
  return answer?.find((action): action is CodeAction => !Command.is(action) && action.data?.name === name);
}
