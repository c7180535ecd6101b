(function_declaration
  name: (identifier) @name
  body: (block) @body) @function

(method_declaration
  name: (field_identifier) @name
  body: (block) @body) @function
