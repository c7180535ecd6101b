(function_item
  name: (_) @name
  body: (block) @body) @function

(match_arm) @arm

(if_expression condition: (_) @condition)
(while_expression condition: (_) @condition)
(for_expression value: (_) @condition)

(call_expression arguments: (arguments) @arguments)
(macro_invocation (token_tree) @arguments)

[(line_comment) (block_comment)] @comment
