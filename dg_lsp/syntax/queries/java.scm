(method_declaration
  name: (identifier) @name
  body: (block) @body) @function

(constructor_declaration
  name: (identifier) @name
  body: (constructor_body) @body) @function

(compact_constructor_declaration
  name: (identifier) @name
  body: (block) @body) @function
