--- The pieces of a suggestion that can be taken one by one.
local M = {}

--- The first word with the blanks before it: a name or number, or a run of other characters. All if there is none.
---@param text string
---@return string
function M.word(text)
  return text:match('^%s*[%w_\128-\255]+') or text:match('^%s*[^%w_%s\128-\255]+') or text
end

--- The first line; where the text begins with a line ending, that and the next line.
---@param text string
---@return string
function M.line(text)
  return text:match('^\n*[^\n]+') or text
end

--- Everything.
---@param text string
---@return string
function M.all(text)
  return text
end

return M
