; What JavaScript calls otherwise or does not have.
(public_field_definition
  name: (_) @name
  value: [
    (arrow_function body: (statement_block) @body)
    (function_expression body: (statement_block) @body)
  ]) @function

; constructor(private readonly limit: number) {}
(method_definition
  parameters: (formal_parameters
    (required_parameter [(accessibility_modifier) "readonly"]))) @on_purpose
