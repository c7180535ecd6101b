(function_definition
  name: (identifier) @name
  body: (block) @body) @function

(decorated_definition
  (decorator [
    (identifier) @_decorator
    (attribute attribute: (identifier) @_decorator)
  ])
  definition: (function_definition) @on_purpose
  (#any-of? @_decorator "abstractmethod" "abstractproperty" "overload"))

; The methods of a protocol or an abstract class.
(class_definition
  superclasses: (argument_list [
    (identifier) @_base
    (attribute attribute: (identifier) @_base)
    (subscript value: (identifier) @_base)
    (subscript value: (attribute attribute: (identifier) @_base))
    (keyword_argument value: (identifier) @_base)
    (keyword_argument value: (attribute attribute: (identifier) @_base))
  ])
  body: (block [
    (function_definition) @on_purpose
    (decorated_definition definition: (function_definition) @on_purpose)
  ])
  (#any-of? @_base "Protocol" "ABC" "ABCMeta"))

(case_clause) @arm

(if_statement condition: (_) @condition)
(elif_clause condition: (_) @condition)
(while_statement condition: (_) @condition)
(for_statement right: (_) @condition)

(call arguments: (_) @arguments)

(comment) @comment
