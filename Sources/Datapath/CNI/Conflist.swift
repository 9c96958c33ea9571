/// The file in `/etc/cni/net.d` that tells a container runtime to call this plugin.
///
/// It exists only while the datapath can connect pods: its absence is what keeps pods in ContainerCreating. After a kill
/// of the agent it stays, and the plugin answers "try again later" (code 11) until the agent is back.
public enum Conflist {
    public static let networkName = "labrun"
    public static let pluginType = "labrun-cni"

    public static func text(socketPath: String) -> String {
        CNIText.encode(
            List(
                cniVersion: CNIVersion.v1_0_0.rawValue, name: networkName,
                plugins: [Plugin(type: pluginType, socket: socketPath)])) + "\n"
    }

    private struct List: Encodable {
        let cniVersion: String
        let name: String
        let plugins: [Plugin]
    }
    private struct Plugin: Encodable {
        let type: String
        let socket: String
    }
}
