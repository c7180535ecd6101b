(function_declaration
  name: (identifier) @name
  body: (block) @body) @function

(method_declaration
  name: (field_identifier) @name
  body: (block) @body) @function

[(expression_case) (type_case) (communication_case) (default_case)] @arm

(if_statement condition: (_) @condition)
(for_statement [(binary_expression) (unary_expression) (call_expression) (identifier)] @condition)
(for_clause condition: (_) @condition)
(range_clause right: (_) @condition)

(call_expression arguments: (argument_list) @arguments)

(comment) @comment
