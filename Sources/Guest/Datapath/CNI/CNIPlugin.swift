import AgentAPI
import CNI
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The CNI plugin. It passes environment and standard input to the agent, and prints the answer. It keeps no state and
/// changes nothing itself.
public enum CNIPlugin {
    /// The name of the program under which this binary acts as the plugin.
    public static let programName = Conflist.pluginType
    static let defaultSocket = "/run/labrun/datapath.sock"
    /// The kubelet waits two minutes for its plugins. An agent that gives no answer for this long does not work.
    private static let deadline = Duration.seconds(60)

    /// Runs one command. Its result or error goes to standard output.
    ///
    /// - Returns: The exit status.
    public static func run(environment: [String: String]) -> Int32 {
        let input = (try? FileDescriptor(owning: dup(0)).readToEnd()).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let reply = answer(environment, input)
        var output = reply.output
        if !output.isEmpty { output += "\n" }
        guard (try? FileDescriptor(owning: dup(1)).writeAll(output.utf8)) != nil else { return 1 }
        return reply.exitStatus
    }

    static func answer(_ variables: [String: String], _ input: String) -> CNIReply {
        let request = CNIRequest(
            command: variables["CNI_COMMAND"] ?? "", containerID: variables["CNI_CONTAINERID"] ?? "",
            netns: variables["CNI_NETNS"] ?? "", interface: variables["CNI_IFNAME"] ?? "",
            arguments: variables["CNI_ARGS"] ?? "", configuration: input)
        let version = CNIConfiguration.versionText(of: input)
        do {
            let environment = try CNIEnvironment(
                command: request.command, containerID: request.containerID, netns: request.netns,
                interface: request.interface, arguments: request.arguments)
            if environment.command == .version {
                return CNIReply(output: CNIText.encode(CNIVersionResult()), exitStatus: 0)
            }
            let configuration = try CNIConfiguration(parsing: input)
            return try ask(request, socketPath: configuration.socketPath ?? defaultSocket)
        } catch {
            return CNIReply(output: error.json(version: version), exitStatus: 1)
        }
    }

    private static func ask(_ request: CNIRequest, socketPath: String) throws(CNIError) -> CNIReply {
        do {
            var client = try AgentClient(socketPath: socketPath)
            return try client.call(.cni, request, deadline: .after(deadline))
        } catch let error as AgentError where error.code != "timeout" && error.code != "disconnected" {
            throw CNIError(.inputOutput, "the datapath agent refused the request", details: error.description)
        } catch {
            throw CNIError(.tryAgainLater, "the datapath agent does not answer", details: "\(error)")
        }
    }
}
