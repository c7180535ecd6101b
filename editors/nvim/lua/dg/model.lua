--- `:Dg model`: a model is chosen from the server's list, downloaded and loaded.
local client = require('dg.client')
local status = require('dg.status')

local M = {}

local TOKEN = 'dg.download'

---@class dg.Model A row of the server's `dg/models`.
---@field name string
---@field purpose string
---@field size_bytes integer
---@field fits boolean
---@field why_not string
---@field downloaded boolean
---@field loaded boolean
---@field recommended boolean

---@type { server: vim.lsp.Client, id: integer, name: string }? The download that is under way.
local download

--- A number of bytes for people.
local function size(bytes)
  return bytes >= 1e9 and ('%.1f GB'):format(bytes / 1e9) or ('%.0f MB'):format(bytes / 1e6)
end

---@param model dg.Model
local function line(model)
  local facts = {
    model.size_bytes == 0 and 'in the package' or size(model.size_bytes),
    model.loaded and 'loaded' or model.downloaded and 'downloaded' or 'to be downloaded',
  }
  if model.recommended then
    table.insert(facts, 'recommended')
  end
  local text = model.fits and model.purpose or 'does not fit: ' .. model.why_not
  return ('%s (%s): %s'):format(model.name, table.concat(facts, ', '), text)
end

--- Ask the server; where it answers with nothing it has told the user why.
---@return integer?
local function ask(server, method, params, on_result)
  return client.request(server, method, params, function(failure, result)
    if failure then
      client.say(failure.message, vim.log.levels.ERROR)
    elseif result and result ~= vim.NIL then
      on_result(result)
    end
  end, vim.api.nvim_get_current_buf())
end

---@param model dg.Model
local function load(server, model)
  ask(server, 'dg/loadModel', { name = model.name }, function()
    client.say(('%s is loaded; to keep it, see `:help dg-model`'):format(model.name))
  end)
end

--- The download under way, or none; its progress is shown in the statusline.
local function set_download(of)
  download = of
  local group = vim.api.nvim_create_augroup('dg.model', {})
  if not of then
    status.downloading(nil)
    return
  end
  local function show(percentage)
    status.downloading(('Downloading %s %d/100'):format(of.name, percentage))
  end
  show(0)
  vim.api.nvim_create_autocmd('LspProgress', {
    group = group,
    callback = function(event)
      local params = event.data.params
      if event.data.client_id == of.server.id and params.token == TOKEN and params.value.percentage then
        show(params.value.percentage)
      end
    end,
  })
end

---@param model dg.Model
local function fetch(server, model)
  if download then
    client.say(('%s is being downloaded: wait, or `:Dg model stop`'):format(download.name), vim.log.levels.WARN)
    return
  end
  client.say(('downloading %s (%s) ...'):format(model.name, size(model.size_bytes)))
  local params = { name = model.name, workDoneToken = TOKEN }
  local id = client.request(server, 'dg/downloadModel', params, function(failure, result)
    local stopped = not download
    set_download(nil)
    if failure and not stopped then
      client.say(failure.message, vim.log.levels.ERROR)
    elseif not failure and result and result ~= vim.NIL then
      load(server, model)
    end
  end, vim.api.nvim_get_current_buf())
  set_download(id and { server = server, id = id, name = model.name } or nil)
end

---@param model dg.Model
local function take(server, model)
  if not model.fits and not model.loaded then
    client.say(('%s %s'):format(model.name, model.why_not), vim.log.levels.WARN)
  elseif model.downloaded then
    load(server, model)
  else
    local prompt = ('%s is not on this machine.'):format(model.name)
    vim.ui.select({ ('Download it (%s)'):format(size(model.size_bytes)), 'Not now' }, { prompt = prompt }, function(_, n)
      if n == 1 then
        fetch(server, model)
      end
    end)
  end
end

--- Let the user choose a model.
---@param server vim.lsp.Client
function M.choose(server)
  ask(server, 'dg/models', vim.empty_dict(), function(models)
    vim.ui.select(models, { prompt = 'Model:', format_item = line }, function(model)
      if model then
        take(server, model)
      end
    end)
  end)
end

--- Stop the download; the next one goes on where it was.
function M.stop()
  if not download then
    client.say('no model is being downloaded')
    return
  end
  local stopped = download
  set_download(nil)
  client.call(stopped.server, 'cancel_request', stopped.id)
  client.say(('the download of %s is stopped; the next one resumes it'):format(stopped.name))
end

return M
