--- The options of `setup`.
local M = {}

---@class dg.Options
---@field cmd string[] How the server is started.
---@field filetypes string[] In which buffers.
---@field settings table The server's settings: the section `dg` of docs/editors.md.
---@field auto boolean Whether suggestions come by themselves; without, by `trigger` and `next` alone.
---@field keys table<string, string> Keys of insert mode by action. There are none by default, <Tab> is yours.
M.defaults = {
  cmd = { 'dg-lsp' },
  filetypes = {
    'c',
    'cpp',
    'go',
    'java',
    'javascript',
    'javascriptreact',
    'python',
    'rust',
    'typescript',
    'typescriptreact',
  },
  settings = {},
  auto = true,
  keys = {},
}

M.actions = { 'accept', 'accept_word', 'accept_line', 'next', 'prev', 'trigger', 'dismiss', 'watch' }

---@type dg.Options
M.options = vim.deepcopy(M.defaults)

--- How the server is started where the user says nothing: as it is found on PATH, else in the environment of the
--- checkout in which this plugin lies.
---@return string[]
local function found_cmd()
  local program = M.defaults.cmd[1]
  if vim.fn.executable(program) == 0 then
    local here = debug.getinfo(1, 'S').source:sub(2)
    local checkout = vim.fn.fnamemodify(vim.uv.fs_realpath(here) or here, ':p:h:h:h:h:h')
    local own = vim.fs.joinpath(checkout, '.venv', 'bin', program)
    program = vim.fn.executable(own) == 1 and own or program
  end
  return { program }
end

--- Take the user's options over the defaults. Raises an error that names the wrong one.
---@param given? table
function M.set(given)
  given = given or {}
  if type(given) ~= 'table' then
    error(('dg: `setup` takes a table, not a %s'):format(type(given)), 0)
  end
  for name, value in pairs(given) do
    local default = M.defaults[name]
    if default == nil then
      local known = vim.tbl_keys(M.defaults)
      table.sort(known)
      error(('dg: unknown option `%s` (there are: %s)'):format(name, table.concat(known, ', ')), 0)
    elseif type(value) ~= type(default) then
      error(('dg: the option `%s` takes a %s, not a %s'):format(name, type(default), type(value)), 0)
    end
  end
  for action, key in pairs(given.keys or {}) do
    if not vim.tbl_contains(M.actions, action) then
      error(('dg: unknown action `keys.%s` (there are: %s)'):format(action, table.concat(M.actions, ', ')), 0)
    elseif type(key) ~= 'string' or key == '' then
      error(('dg: `keys.%s` takes a key such as "<C-l>"; for none leave it out'):format(action), 0)
    end
  end
  M.options = vim.tbl_extend('force', vim.deepcopy(M.defaults), { cmd = found_cmd() }, given)
end

--- How `dg-lsp doctor` is run: with the engine elsewhere that the settings name, nested or by a key with a dot.
---@return string[]
function M.doctor()
  local settings = M.options.settings
  local url = settings['engine.url'] or vim.tbl_get(settings, 'engine', 'url')
  -- Only where it is set: an older server does not know the option.
  local options = type(url) == 'string' and url ~= '' and { '--engine-url=' .. url } or {}
  return vim.list_extend(vim.list_extend(vim.deepcopy(M.options.cmd), { 'doctor' }), options)
end

--- How `dg-engine` beside the server is run with a word; nil where there is none.
---@param word string
---@return string[]?
function M.engine(word)
  local cmd = M.options.cmd
  local module = vim.fn.index(cmd, 'dg_lsp') -- of `python -m dg_lsp`
  if module > 0 then
    return vim.list_extend(vim.list_slice(cmd, 1, module), { 'engine.cli', word })
  end
  local program = vim.fn.exepath(cmd[1] or '')
  for _, path in ipairs({ program, vim.uv.fs_realpath(program) }) do -- it may be a link to where both are
    local engine = vim.fs.joinpath(vim.fs.dirname(path), 'dg-engine')
    if vim.fn.executable(engine) == 1 then
      return { engine, word }
    end
  end
end

return M
