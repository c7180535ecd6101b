(method_declaration
  name: (identifier) @name
  body: (block) @body) @function

(constructor_declaration
  name: (identifier) @name
  body: (constructor_body) @body) @function

(compact_constructor_declaration
  name: (identifier) @name
  body: (block) @body) @function

[(switch_block_statement_group) (switch_rule)] @arm

(if_statement condition: (_) @condition)
(while_statement condition: (_) @condition)
(do_statement condition: (_) @condition)
(for_statement condition: (_) @condition)
(enhanced_for_statement value: (_) @condition)

(method_invocation arguments: (argument_list) @arguments)
(object_creation_expression arguments: (argument_list) @arguments)

[(line_comment) (block_comment)] @comment
