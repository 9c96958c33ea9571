import CNI
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// CNI plugins that a cloud brings along; none of them belongs to the datapath. Each is this program under the name of
/// its type.
public enum NodePlugins {
    private static var plugins: [any NetworkPlugin.Type] { [PointToPoint.self, NetworkInterfacePlugin.self] }

    public static let names = Set(plugins.map { $0.type })

    /// Carries out one command of the CNI specification (ADD, DEL, CHECK or VERSION) and ends the process.
    ///
    /// - Parameter program: The last part of the path by which the process was started, one of `names`.
    public static func main(as program: String) -> Never {
        let input = (try? FileDescriptor(owning: dup(0)).readToEnd()).map { String(decoding: $0, as: UTF8.self) } ?? ""
        func variable(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }
        let (output, status) = answer(program, variable, input)
        guard (try? FileDescriptor(owning: dup(1)).writeAll((output.isEmpty ? "" : output + "\n").utf8)) != nil else {
            exit(1)
        }
        exit(status)
    }

    static func answer(_ program: String, _ variable: (String) -> String, _ input: String) -> (String, Int32) {
        do {
            return (try carryOut(program, variable, input), 0)
        } catch {
            let failure = error as? CNIError ?? CNIError(.setupFailed, "\(program) failed", details: "\(error)")
            return (failure.json(version: CNIConfiguration.versionText(of: input)), 1)
        }
    }

    private static func carryOut(_ program: String, _ variable: (String) -> String, _ input: String) throws -> String {
        let environment = try CNIEnvironment(
            command: variable("CNI_COMMAND"), containerID: variable("CNI_CONTAINERID"), netns: variable("CNI_NETNS"),
            interface: variable("CNI_IFNAME"), arguments: variable("CNI_ARGS"))
        if environment.command == .version { return CNIText.encode(CNIVersionResult()) }
        let configuration = try CNIConfiguration(parsing: input)
        guard let type = plugins.first(where: { $0.type == program }) else {
            throw CNIError(.invalidConfiguration, "no plugin \(program)")
        }
        let plugin = try type.init(configuration)
        switch environment.command {
        case .add: return try plugin.add(environment).json
        case .del: try plugin.delete(environment)
        case .check: try check(environment, configuration)
        case .version: break
        }
        return ""
    }

    /// Checks that the pod's interface still has the addresses that ADD gave it.
    private static func check(_ environment: CNIEnvironment, _ configuration: CNIConfiguration) throws {
        guard let previous = configuration.previousResult else {
            throw CNIError(.invalidConfiguration, "CHECK needs prevResult")
        }
        let addresses = (previous.ips ?? []).map(\.address)
        if let problem = try PodInterface(environment).problem(addresses) {
            throw CNIError(.checkFailed, "the pod's interface is not as it was made", details: problem)
        }
    }
}

/// A plugin that carries out one command for one attachment.
protocol NetworkPlugin {
    /// The plugin's `type` in a conflist.
    static var type: String { get }
    /// - Throws: `CNIError` 7 for a configuration that it cannot follow.
    init(_ configuration: CNIConfiguration) throws
    /// Attaches the pod. When it fails it takes back everything that it has done so far.
    func add(_ environment: CNIEnvironment) throws -> CNIResult
    /// Detaches the pod. That something is gone already is no failure.
    func delete(_ environment: CNIEnvironment) throws
}
