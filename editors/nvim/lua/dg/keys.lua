--- Keys of insert mode that are given to dg. Where dg has nothing to act on, a key does what it did before.
local api = vim.api
local M = {}

local OURS = 'dg: '

---@type table<string, table> The mapping that each of our keys had; empty where it had none.
local before = {}
---@type fun()[] What mappings to Lua functions called.
local functions = {}

--- Text with key names such as <Tab> as a mapping returns it: Neovim then escapes bytes that look like special keys
--- itself.
local function codes(text)
  return (api.nvim_replace_termcodes(text, false, true, true):gsub('\128\254X', '\128'))
end

local function mapping_of(key)
  local old = vim.fn.maparg(key, 'i', false, true)
  if old.buffer == 1 then -- it stays before ours in its buffer; what counts is the mapping for all buffers behind it
    old = vim.iter(api.nvim_get_keymap('i')):find(function(it)
      return it.lhsraw == old.lhsraw
    end) or {}
  end
  if old.callback and old.expr == 0 then
    table.insert(functions, old.callback)
    old.number = #functions
  end
  return old
end

--- What goes before a key that completes an abbreviation when it is typed: what a mapping returns does not.
local function before_key(typed)
  local completes = (typed == '\t' or typed == '\r') and vim.fn.pumvisible() == 0
  return completes and codes('<C-]>') or ''
end

--- What the key stands for without us.
local function result_of(old, key)
  if old.callback and old.expr == 0 then
    -- Not called here: while an <expr> mapping is computed, the text must not be changed.
    return codes(('<Cmd>lua require("dg.keys").call(%d)<CR>'):format(old.number))
  elseif old.callback then
    local result = old.callback()
    return old.replace_keycodes == 1 and codes(result or '') or result or ''
  elseif not old.rhs then
    return before_key(codes(key)) .. codes(key)
  elseif old.rhs:lower() == '<nop>' then
    return ''
  end
  local rhs = codes((old.rhs:gsub('<[sS][iI][dD]>', ('<SNR>%d_'):format(old.sid))))
  if old.expr == 0 then
    return rhs
  end
  local result = tostring(api.nvim_eval(rhs))
  return old.replace_keycodes == 1 and codes(result) or result
end

--- Give a key to an action, which returns whether it did something.
---@param key string
---@param action string
---@param run fun(): boolean
function M.map(key, action, run)
  before[key] = before[key] or mapping_of(key) -- two actions may have one key
  local old = before[key]
  vim.keymap.set('i', key, function()
    return run() and '' or result_of(old, key)
  end, {
    expr = true,
    replace_keycodes = false,
    -- As it was, so that what comes of the old mapping is mapped again where that was so, and where not, not.
    remap = old.noremap == 0,
    script = old.script == 1,
    silent = old.silent == 1,
    desc = OURS .. action,
  })
end

--- Give every key back to the mapping that it had, unless somebody else has mapped it since.
function M.release()
  for key, old in pairs(before) do
    local now = mapping_of(key)
    if vim.startswith(now.desc or '', OURS) then
      vim.keymap.del('i', key)
      if old.lhs then
        vim.fn.mapset('i', false, old)
      end
    end
  end
  before = {}
end

--- Call what a mapping of before called.
---@param number integer
function M.call(number)
  functions[number]()
end

return M
