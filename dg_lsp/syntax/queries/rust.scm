(function_item
  name: (_) @name
  body: (block) @body) @function
