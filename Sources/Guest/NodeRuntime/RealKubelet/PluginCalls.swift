#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import AgentAPI
import CNI
import CNodeShim
import Glibc
import JSON
import LinuxKernel
import NodeProtocol

/// Runs the CNI plugins that containerd calls, in the node's own root, and takes note of the pods that they attach.
struct PluginCalls: Sendable {
    let pods: Pods
    let children: ChildProcesses
    /// The folder of the plugins.
    let plugins: String
    let events: @Sendable (NodeEvent) -> Void

    /// Answers a call with what the plugin wrote and its exit status.
    func run(_ name: String, _ environment: [String: String], _ input: String) -> RuntimeReply {
        let command = environment["CNI_COMMAND"] ?? ""
        // Paths of containerd are those of its own root.
        let namespace = environment["CNI_NETNS"].flatMap { $0.isEmpty ? nil : KubeletRoot.path + $0 }
        if name == "loopback" { return loopback(command, namespace, input) }
        guard !name.contains("/") else { return refusal(7, "not a plugin's name: \(name)") }
        var variables = environment
        variables["CNI_PATH"] = plugins
        variables["CNI_NETNS"] = namespace
        let reference = Self.reference(environment["CNI_ARGS"] ?? "")
        let reply = execute(name, variables, input)
        let arguments = environment["CNI_ARGS"] ?? ""
        let failure = reply.status == 0 ? nil : reply.output
        events(.log(source: "cni", line: PluginCallLine.text(command, name, arguments, failure: failure)))
        guard let reference, let id = environment["CNI_CONTAINERID"] else { return reply }
        switch command {
        case "ADD" where reply.status == 0:
            let result = try? JSONDecoder().decode(JSONValue.self, from: Data(reply.output.utf8))
            guard let address = result?.firstAddress, let namespace else { return reply }
            do {
                try pods.adopt(
                    reference, uid: Self.argument("K8S_POD_UID", arguments) ?? "", containerID: id,
                    namespacePath: namespace, address: address)
            } catch {
                events(.log(source: "cni", line: "\(reference) has no receivers: \(error)"))
            }
        case "DEL": pods.release(reference, containerID: id)
        default: break
        }
        return reply
    }

    private func execute(_ name: String, _ variables: [String: String], _ input: String) -> RuntimeReply {
        do {
            let result = try children.run(
                ["\(plugins)/\(name)"],
                environment: NodeEnvironment.variables + variables.map { "\($0.key)=\($0.value)" },
                input: Array(input.utf8), within: PluginRun.patience)
            let executed = Executed(result)
            return RuntimeReply(
                status: executed.status, output: executed.output, errorOutput: executed.errorOutput)
        } catch {
            return refusal(999, "\(error)")
        }
    }

    /// The plugin `loopback` of the CNI project: it brings `lo` up.
    private func loopback(_ command: String, _ namespace: String?, _ input: String) -> RuntimeReply {
        guard command == "ADD", let namespace else { return RuntimeReply(status: 0, output: "") }
        do {
            try NetworkNamespace(path: namespace).run { _ = try check("lo", namespace) { node_loopback_up() } }
        } catch {
            return refusal(999, "\(error)")
        }
        let result = JSONValue.object([
            "cniVersion": .string(CNIConfiguration.versionText(of: input)),
            "interfaces": .array([.object(["name": .string("lo"), "sandbox": .string(namespace)])]),
            "ips": .array([
                .object(["version": .string("4"), "address": .string("127.0.0.1/8"), "interface": .integer(0)])
            ]),
        ])
        return RuntimeReply(status: 0, output: result.canonicalText)
    }

    private func refusal(_ code: Int64, _ message: String) -> RuntimeReply {
        let error = JSONValue.object([
            "cniVersion": .string("0.4.0"), "code": .integer(code), "msg": .string(message),
        ])
        return RuntimeReply(status: 1, output: error.canonicalText)
    }

    static func argument(_ name: String, _ arguments: String) -> String? {
        for part in arguments.split(separator: ";") where part.hasPrefix(name + "=") {
            return String(part.dropFirst(name.utf8.count + 1))
        }
        return nil
    }

    static func reference(_ arguments: String) -> NodeProtocol.PodReference? {
        guard let namespace = argument("K8S_POD_NAMESPACE", arguments), let name = argument("K8S_POD_NAME", arguments)
        else { return nil }
        return .init(namespace: namespace, name: name)
    }
}
