; A function that returns a pointer or a reference stands inside one declarator per star or ampersand.
(function_definition
  declarator: [
    (function_declarator declarator: (_) @name)
    (reference_declarator (function_declarator declarator: (_) @name))
    (pointer_declarator
      declarator: (function_declarator declarator: (_) @name))
    (pointer_declarator
      declarator: (pointer_declarator
        declarator: (function_declarator declarator: (_) @name)))
  ]
  body: (compound_statement) @body) @function

; A constructor that does its work in the initializers, a destructor that only has to be there.
(function_definition (field_initializer_list)) @on_purpose
(function_definition
  declarator: (function_declarator declarator: [
    (destructor_name)
    (qualified_identifier name: (destructor_name))
  ])) @on_purpose

(case_statement) @arm

(if_statement condition: (_) @condition)
(while_statement condition: (_) @condition)
(do_statement condition: (_) @condition)
(for_statement condition: (_) @condition)
(for_range_loop right: (_) @condition)

(argument_list) @arguments

(comment) @comment
