(function_definition
  name: (identifier) @name
  body: (block) @body) @function
