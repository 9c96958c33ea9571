#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import CNI
import Glibc
import JSON
import LinuxKernel
import NodeProtocol

/// What a plugin is told about a pod's interface (CNI specification 1.0.0, section 2).
struct Attachment: Sendable {
    let containerID: String
    let namespacePath: String
    let interface: String
    let arguments: String
    /// By capability, for plugins that ask for it.
    var runtime: [String: JSONValue] = [:]

    init(pod: PodSpec, containerID: String? = nil, namespacePath: String) {
        self.containerID = containerID ?? Self.containerID(pod)
        self.namespacePath = namespacePath
        interface = "eth0"
        var parts = [
            "IgnoreUnknown=1", "K8S_POD_NAMESPACE=\(pod.namespace)", "K8S_POD_NAME=\(pod.name)",
            "K8S_POD_UID=\(pod.uid)",
        ]
        if !pod.labels.isEmpty {
            let labels = pod.labels.sorted { $0.key < $1.key }.map {
                "\(percentEncoded($0.key))=\(percentEncoded($0.value))"
            }
            parts.append("LABRUN_LABELS=" + labels.joined(separator: ","))
        }
        arguments = parts.joined(separator: ";")
    }

    /// The pod's container id. The specification has it begin with a letter or a digit and then allows `_`, `.` and
    /// `-`, too.
    private static func containerID(_ pod: PodSpec) -> String {
        let raw = "\(pod.namespace)_\(pod.name)_\(pod.uid)"
        return String(raw.map { $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) ? $0 : "-" })
    }
}

/// The text with `%XX` in place of every byte but letters, digits, `-`, `.`, `_`, `~` and `/`.
func percentEncoded(_ text: String) -> String {
    text.utf8.map { byte in
        let character = Character(UnicodeScalar(byte))
        if character.isASCII, character.isLetter || character.isNumber || "-._~/".contains(character) {
            return String(character)
        }
        let hexadecimal = String(byte, radix: 16, uppercase: true)
        return "%" + (hexadecimal.count == 1 ? "0" : "") + hexadecimal
    }.joined()
}

/// A plugin's refusal, in its own words.
struct PluginError: Error, CustomStringConvertible {
    let plugin: String
    let command: String
    /// The specification's error code; nil when the plugin said none.
    let code: Int64?
    let message: String

    var description: String {
        "plugin type=\"\(plugin)\" failed (\(command.lowercased())): \(message)"
    }
}

/// Runs the plugins of a configuration for one attachment.
struct PluginRun: Sendable {
    /// How long a plugin may take. A kubelet waits for two minutes.
    static let patience = Duration.seconds(60)

    let children: ChildProcesses
    let configuration: NetworkConfiguration
    let pluginDirectory: String
    /// Gets a line for each call, ``PluginCallLine``.
    var log: @Sendable (String) -> Void = { _ in }

    /// Runs ADD through every plugin of the list, each with the result of the one before it, and answers the last one's
    /// result.
    /// - Throws: `PluginError`, `SystemError`, `ProgramTimeout`.
    func add(_ attachment: Attachment) throws -> JSONValue {
        var result: JSONValue?
        for plugin in configuration.plugins { result = try run("ADD", plugin, attachment, previous: result) ?? result }
        return result ?? .object([:])
    }

    /// Runs DEL through the list in reverse and answers the failures. Every plugin runs even when another one fails.
    func delete(_ attachment: Attachment, previous: JSONValue?) -> [any Error] {
        var failures: [any Error] = []
        for plugin in configuration.plugins.reversed() {
            do {
                _ = try run("DEL", plugin, attachment, previous: previous)
            } catch {
                failures.append(error)
            }
        }
        return failures
    }

    private func run(
        _ command: String, _ plugin: [String: JSONValue], _ attachment: Attachment, previous: JSONValue?
    ) throws -> JSONValue? {
        let type = plugin["type"]?.text ?? ""
        do {
            let answer = try call(command, type, plugin, attachment, previous: previous)
            log(PluginCallLine.text(command, type, attachment.arguments))
            return answer
        } catch {
            log(PluginCallLine.text(command, type, attachment.arguments, failure: "\(error)"))
            throw error
        }
    }

    private func call(
        _ command: String, _ type: String, _ plugin: [String: JSONValue], _ attachment: Attachment, previous: JSONValue?
    ) throws -> JSONValue? {
        guard !type.contains("/") else {
            throw PluginError(plugin: type, command: command, code: 7, message: "a plugin type may not contain a slash")
        }
        let environment =
            NodeEnvironment.variables + [
                "CNI_COMMAND=\(command)", "CNI_CONTAINERID=\(attachment.containerID)",
                "CNI_NETNS=\(attachment.namespacePath)", "CNI_IFNAME=\(attachment.interface)",
                "CNI_ARGS=\(attachment.arguments)", "CNI_PATH=\(pluginDirectory)",
            ]
        let document = try configuration.document(for: plugin, previous: previous, runtime: attachment.runtime)
        let result: ProgramResult
        do {
            result = try children.run(
                ["\(pluginDirectory)/\(type)"], environment: environment, input: document, within: Self.patience)
        } catch let error as SystemError where error.code == ENOENT {
            throw PluginError(
                plugin: type, command: command, code: nil,
                message: "failed to find plugin \"\(type)\" in path [\(pluginDirectory)]")
        }
        let answer = try? JSONDecoder().decode(JSONValue.self, from: Data(result.output))
        guard result.status == .exited(0) else { throw failure(type, command, result, answer) }
        return answer
    }

    private func failure(
        _ plugin: String, _ command: String, _ result: ProgramResult, _ answer: JSONValue?
    ) -> PluginError {
        if let message = answer?["msg"]?.text {
            let details = answer?["details"]?.text.map { "; \($0)" } ?? ""
            return PluginError(
                plugin: plugin, command: command, code: answer?["code"]?.integerValue, message: message + details)
        }
        let words = trimmed(String(decoding: (result.errorOutput + result.output).suffix(400), as: UTF8.self))
        return PluginError(
            plugin: plugin, command: command, code: nil,
            message: "\(result.status) without an error in JSON: \(words.isEmpty ? "no output" : words)")
    }
}

/// What the log says of a call of a plugin: `ADD labrun-datapath default/web`, and why it failed.
enum PluginCallLine {
    static func text(_ command: String, _ plugin: String, _ arguments: String, failure: String? = nil) -> String {
        let pod = PluginCalls.reference(arguments).map { "\($0.namespace)/\($0.name)" } ?? "no pod"
        return "\(command) \(plugin) \(pod)" + (failure.map { ": \($0)" } ?? "")
    }
}

extension JSONValue {
    /// The first address of a CNI result without its prefix length: `ips[0].address` of version 0.3 and later, `ip4.ip`
    /// of 0.2.
    var firstAddress: String? {
        let text = self["ips"]?.elements?.first?["address"]?.text ?? self["ip4"]?["ip"]?.text
        return text.flatMap { $0.split(separator: "/").first }.map(String.init)
    }
}
