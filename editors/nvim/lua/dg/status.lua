--- What the server says of itself, for the statusline.
local M = {}

---@class dg.Status
---@field busy boolean
---@field kind 'Normal'|'Warning'|'Error'|'Inactive'
---@field message string

---@type table<integer, dg.Status> What each server told last, by its client: projects have servers of their own.
local last = {}

---@type string? The download of a model, in a few words.
local download

--- Redraw the statusline and fire `User DgStatus`.
---@param data dg.Status?
local function changed(data)
  vim.api.nvim_exec_autocmds('User', { pattern = 'DgStatus', modeline = false, data = data })
  vim.cmd.redrawstatus({ bang = true })
end

--- Show that a model is being downloaded (nil: no more).
---@param text string?
function M.downloading(text)
  download = text
  changed()
end

--- Take what a server told (nil: it is gone), redraw the statusline and fire `User DgStatus`.
---@param client_id integer
---@param status dg.Status?
function M.set(client_id, status)
  last[client_id] = status
  changed(status)
end

--- What a server told last.
---@param client vim.lsp.Client?
---@return dg.Status?
function M.of(client)
  return client and last[client.id]
end

--- A few words for the statusline, "" where dg has no part in the current buffer. Without "%", so that it can stand
--- in any statusline.
---@return string
function M.text()
  local buf = vim.api.nvim_get_current_buf()
  local status = M.of(require('dg.client').get(buf))
  if not status then
    return ''
  elseif vim.startswith(status.message, 'snoozed') then
    return 'dg ' .. status.message
  elseif status.kind ~= 'Normal' then
    return 'dg ' .. status.kind:lower()
  elseif not vim.startswith(status.message, 'Ready') then
    return 'dg: ' .. status.message:gsub(',? (%d+) %%', ' %1/100')
  elseif download then
    return 'dg: ' .. download
  elseif not require('dg.suggest').on(buf) then
    return 'dg off'
  end
  return status.busy and 'dg …' or 'dg'
end

return M
