--- dg-lsp in Neovim: a local language model fills gaps in code. See |dg.txt|.
local M = {}

---@type table<string, string|false> Highlight groups and what each is linked to, if the colour scheme says nothing.
local LINKS = {
  DgGhost = 'ComplHint',
  DgGhostMore = 'ComplHintMore',
  DgWatchSettled = 'String',
  DgWatchDraft = 'NonText',
  DgWatchCaption = 'Comment',
}

local function highlights()
  local hints = vim.fn.hlexists('ComplHint') == 1
  for group, link in pairs(LINKS) do
    local to = (not hints and vim.startswith(link, 'ComplHint')) and 'NonText' or link
    vim.api.nvim_set_hl(0, group, { link = to, default = true })
  end
  vim.api.nvim_set_hl(0, 'DgWatchHole', { strikethrough = true, default = true })
  vim.api.nvim_set_hl(0, 'DgWatchPinned', { underline = true, default = true })
end

--- Set the plugin up and start the server for the filetypes named. May be called again with other options.
---@param options? table see |dg-options|
function M.setup(options)
  local config = require('dg.config')
  config.set(options)
  highlights()
  vim.api.nvim_create_autocmd('ColorScheme', { group = vim.api.nvim_create_augroup('dg', {}), callback = highlights })
  require('dg.suggest').setup()
  require('dg.watch').setup()
  local keys = require('dg.keys')
  keys.release()
  for action, key in pairs(config.options.keys) do
    keys.map(key, action, M[action])
  end
  M.ready = true
  require('dg.client').start()
end

--- Whether `setup` was called.
M.ready = false

-- Actions for your keys. Each returns true when it did something, so that the key can do something else if not.
for _, name in ipairs({ 'accept_word', 'accept_line', 'next', 'prev' }) do
  M[name] = function()
    return require('dg.suggest')[name]()
  end
end

--- Accept the whole suggestion, or what `watch` has found.
---@return boolean
function M.accept()
  local watch = require('dg.watch')
  if watch.active() then
    vim.schedule(watch.accept)
    return true
  end
  return require('dg.suggest').accept()
end

--- Take the suggestion away, or end `watch`.
---@return boolean
function M.dismiss()
  local watch = require('dg.watch')
  if watch.active() then
    vim.schedule(watch.stop)
    return true
  end
  return require('dg.suggest').dismiss()
end

--- Ask for suggestions at the cursor now, several at once.
---@return boolean
function M.trigger()
  return require('dg.client').where_served(require('dg.suggest').trigger)
end

--- Fill the hole at the cursor and show every step.
---@return boolean
function M.watch()
  return require('dg.client').where_served(require('dg.watch').start)
end

--- A few words for the statusline.
---@return string
function M.status()
  return require('dg.status').text()
end

return M
