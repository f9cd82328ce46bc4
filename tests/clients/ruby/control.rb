# SPDX-License-Identifier: MIT

# control.rb CUID ACTION...: do these to a container, one after the other (net/http).
require 'base64'
require 'json'
require 'net/http'

# Posts without a body, though with the type of one.
class ContainerManager
  def initialize(base_url, username, password)
    @base_url = base_url
    @auth = Base64.encode64("#{username}:#{password}").strip
  end

  def control(cuid, action)
    uri = URI("#{@base_url}/containers/#{cuid}/#{action}")
    request = Net::HTTP::Post.new(uri)
    request['Authorization'] = "Basic #{@auth}"
    request['Content-Type'] = 'application/json'
    response = Net::HTTP.new(uri.host, uri.port).request(request)
    { step: action, status: response.code.to_i, answer: JSON.parse(response.body) }
  end
end

manager = ContainerManager.new(*ENV.values_at('BERTH_URL', 'BERTH_USER', 'BERTH_PASSWORD'))
cuid, *actions = ARGV
actions.each { |action| puts JSON.generate(manager.control(cuid, action)) }
