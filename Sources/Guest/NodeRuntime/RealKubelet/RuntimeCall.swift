#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Glibc
import LinuxKernel
import RealKubelet

/// What a program that containerd or runc has started asks of the node's runtime: one line of JSON on its socket.
enum RuntimeCall: Codable, Sendable {
    /// A call of a CNI plugin, with its variables and what it reads.
    case plugin(name: String, environment: [String: String], input: String)
    /// A container begins to be a built-in workload. It ends when the connection does.
    case workload(name: String)
}

/// The answer, one line of JSON.
struct RuntimeReply: Codable, Sendable {
    /// The exit status; 0 if the call succeeded.
    var status: Int32
    var output: String
    var errorOutput = ""

    /// Writes it as a line. A caller that is gone misses nothing.
    func send(to connection: borrowing FileDescriptor) {
        guard let bytes = try? JSONEncoder().encode(self) else { return }
        try? connection.writeAll(Array(bytes) + [10])
    }
}

/// The node's program under the names by which containerd and runc start it: it hands its call to the node's runtime,
/// which knows the pods and runs the plugins.
public enum CallProgram {
    /// Most bytes of a call and of a reply.
    static let limit = 1 << 20
    private static let plugins = ContainerdFiles.pluginFolder + "/"

    /// Does what the name stands for by which this process was started, and never returns then. Otherwise it returns.
    public static func runIfCalled() {
        let words = CommandLine.arguments
        guard let program = words.first else { return }
        if program.hasPrefix(plugins) { plugin(String(program.dropFirst(plugins.count))) }
        if program == ImageRegistry.workloadProgram { workload(words.count > 1 ? words[1] : "") }
    }

    private static func plugin(_ name: String) -> Never {
        var variables: [String: String] = [:]
        for (key, value) in ProcessInfo.processInfo.environment where key.hasPrefix("CNI_") { variables[key] = value }
        do {
            let input = try FileDescriptor(owning: dup(0)).readToEnd()
            guard input.count <= limit else { throw SystemError(code: E2BIG, call: "read", subject: "standard input") }
            let call = RuntimeCall.plugin(
                name: name, environment: variables, input: String(decoding: input, as: UTF8.self))
            let socket = try connect()
            let reply = try ask(call, socket)
            say(reply.output, to: 1)
            say(reply.errorOutput, to: 2)
            exit(reply.status)
        } catch {
            say("\(name): \(error)\n", to: 2)
            exit(1)
        }
    }

    private static func workload(_ name: String) -> Never {
        // The first process of a container is not ended by a signal that it does not handle.
        for number in [SIGTERM, SIGINT] { signal(number) { _ in _exit(0) } }
        do {
            let socket = try connect()
            let reply = try ask(.workload(name: name), socket)
            say(reply.output, to: 1)
            say(reply.errorOutput, to: 2)
            if reply.status != 0 { exit(reply.status) }
            // The node's runtime never ends a connection.
            while try !socket.read().isEmpty {}
            say("the node's runtime is gone\n", to: 2)
        } catch {
            say("\(error)\n", to: 2)
        }
        exit(1)
    }

    private static func connect() throws -> FileDescriptor {
        try RuntimeSocket.connect(ContainerdFiles.runtimeSocket)
    }

    private static func ask(_ call: RuntimeCall, _ socket: borrowing FileDescriptor) throws -> RuntimeReply {
        try socket.writeAll(Array(try JSONEncoder().encode(call)) + [10])
        return try JSONDecoder().decode(RuntimeReply.self, from: Data(try RuntimeSocket.line(from: socket)))
    }

    private static func say(_ text: String, to descriptor: Int32) {
        guard !text.isEmpty else { return }
        try? FileDescriptor(owning: dup(descriptor)).writeAll(Array(text.utf8))
    }
}
