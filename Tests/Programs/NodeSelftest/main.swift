import Foundation
import Glibc
import NodePlugins
import NodeProtocol

// A node's kubelet with its pod runtime, on this machine, in network, mount and process namespaces that the caller has
// made. Usage: node-selftest CONFIGURATION.json, a `NodeConfiguration`. Under the names of a node's programs it is
// these.

let name = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? ""
if name == "labrun-container" { LocalNode.becomeContainer() }
if NodePlugins.names.contains(name) { NodePlugins.main(as: name) }
guard CommandLine.arguments.count == 2 else {
    print("usage: node-selftest CONFIGURATION.json")
    exit(2)
}
do {
    let text = try Data(contentsOf: URL(filePath: CommandLine.arguments[1]))
    let configuration = try JSONDecoder().decode(NodeConfiguration.self, from: text)
    let node = try LocalNode(configuration)
    try node.start()
    while true { pause() }
} catch {
    print("node-selftest: \(error)")
    exit(1)
}
