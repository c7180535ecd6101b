import { type TextEditor, window, workspace } from "vscode";
import {
  type CodeAction,
  CodeActionRequest,
  CodeActionResolveRequest,
  Command,
  type LanguageClient,
} from "vscode-languageclient/node";

/** The commands of the palette, and the title (or its beginning) of the code action that each one runs. */
export const FILLS: Readonly<Record<string, string>> = {
  "dg.fillFunction": "Fill this function",
  "dg.fillFunctionHoles": "Fill every hole in this function",
  "dg.fillFileHoles": "Fill every hole in this file",
  "dg.fillTodo": "Fill this TODO",
  "dg.fillArm": "Fill this arm",
  "dg.fillArguments": "Fill the arguments",
  "dg.fillCondition": "Fill the condition",
  "dg.rewriteSelection": "Rewrite the selection",
  "dg.writeDocstring": "Write the docstring",
  "dg.reroll": "Re-roll the last fill",
};

/** Run the code action called `title` at the selection of `editor`; says so where the server does not offer it there. */
export async function runAction(client: LanguageClient, editor: TextEditor, title: string): Promise<void> {
  const action = await offered(client, editor, title);
  if (action === undefined) {
    void window.showInformationMessage(`dg-lsp: "${title}" is not offered here.`);
    return;
  }
  const resolved = await client.sendRequest(CodeActionResolveRequest.type, action);
  const edit = await client.protocol2CodeConverter.asWorkspaceEdit(resolved.edit);
  if (edit !== undefined) {
    await workspace.applyEdit(edit, { isRefactoring: true });
  }
}

async function offered(client: LanguageClient, editor: TextEditor, title: string): Promise<CodeAction | undefined> {
  const converter = client.code2ProtocolConverter;
  const answer = await client.sendRequest(CodeActionRequest.type, {
    textDocument: converter.asTextDocumentIdentifier(editor.document),
    range: converter.asRange(editor.selection),
    context: { diagnostics: [] },
  });
  return answer?.find((action): action is CodeAction => !Command.is(action) && action.title.startsWith(title));
}
