import AgentAPI
import CNI
import Files
import JSON
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The file in `/etc/cni/net.d` that tells a container runtime to call this plugin.
///
/// It exists only while the datapath can connect pods: its absence is what keeps pods in ContainerCreating. If the
/// agent is killed, the file stays, and the plugin answers "try again later" (code 11) until the agent is back.
public enum Conflist {
    public static let networkName = "labrun"
    public static let pluginType = "labrun-cni"

    /// Returns the file's content: this plugin alone, or after the plugins of the network that it is chained to.
    ///
    /// - Throws: `InvalidConfiguration` if there is no such network, or none that this plugin can follow.
    static func text(_ config: AgentConfig) throws -> String {
        let target = config.options.cni.chainingTarget
        guard config.options.cni.effectiveChainingMode == .genericVeth else {
            return text(socketPath: config.socketPath)
        }
        let directory = Directories.parent(of: config.conflistPath)
        return try chained(try network(named: target, in: directory, except: config.conflistPath), config.socketPath)
    }

    static func text(socketPath: String) -> String {
        encode(CNIVersion.v1_0_0.rawValue, networkName, [["type": .string(pluginType), "socket": .string(socketPath)]])
    }

    /// Returns another network's list with this plugin at its end. The name stays the same, because the other plugins
    /// keep their state under it.
    static func chained(_ network: NetworkConfiguration, _ socketPath: String) throws -> String {
        guard CNIVersion(rawValue: network.version) != nil else {
            throw InvalidConfiguration(
                path: network.path,
                reason: "CNI version \(network.version) is not supported: "
                    + CNIVersion.allCases.map(\.rawValue).joined(separator: ", "))
        }
        let own: [String: JSONValue] = [
            "type": .string(pluginType), "socket": .string(socketPath), "chaining-mode": .string("generic-veth"),
        ]
        return encode(network.version, network.name, network.plugins + [own])
    }

    private static func network(named name: String, in directory: String, except own: String) throws
        -> NetworkConfiguration
    {
        for file in files(in: directory) where file != own {
            guard let contents = try AtomicFile.read(file),
                let network = try? NetworkConfiguration(path: file, contents: contents), network.name == name
            else { continue }
            return network
        }
        throw InvalidConfiguration(
            path: directory, reason: "no CNI network \"\(name)\" to chain to (cni.chainingTarget)")
    }

    private static func files(in directory: String) -> [String] {
        ((try? Directories.names(in: directory)) ?? [])
            .filter { name in [".conflist", ".conf", ".json"].contains { name.hasSuffix($0) } }
            .map { "\(directory)/\($0)" }
    }

    private static func encode(_ version: String, _ name: String, _ plugins: [[String: JSONValue]]) -> String {
        CNIText.encode(
            JSONValue.object([
                "cniVersion": .string(version), "name": .string(name), "plugins": .array(plugins.map { .object($0) }),
            ])) + "\n"
    }
}
