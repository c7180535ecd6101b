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
