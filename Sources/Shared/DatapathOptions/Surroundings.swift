/// Keys of the same chart that concern what surrounds the datapath. Values that ask for nothing are accepted. A value
/// that asks for something that the lab lacks is refused with the reason.
enum Surroundings {
    struct Group: Sendable {
        /// The prefix of the keys, such as `hubble`: the key itself and all below it.
        let prefix: String
        let reason: String
    }

    static let groups: [Group] = [
        Group(prefix: "gatewayAPI", reason: "the lab has no Gateway API yet"),
        Group(prefix: "ingressController", reason: "the lab has no ingress controller"),
        Group(prefix: "envoy", reason: "the node's own proxy takes Envoy's place"),
        Group(prefix: "hubble", reason: "flows are read from the agents' events, there is no Hubble"),
        Group(prefix: "operator", reason: "the lab itself takes the operator's place"),
        Group(prefix: "image", reason: "the agent is part of the node's image"),
        Group(prefix: "imagePullSecrets", reason: "the agent is part of the node's image"),
        Group(prefix: "cluster", reason: "the lab has one cluster"),
        Group(prefix: "clustermesh", reason: "the lab has one cluster"),
        Group(prefix: "encryption", reason: "the datapath does not encrypt"),
        Group(prefix: "authentication", reason: "the datapath has no mutual authentication"),
        Group(prefix: "egressGateway", reason: "the datapath has no egress gateways"),
        Group(prefix: "bgpControlPlane", reason: "the lab speaks no BGP"),
        Group(prefix: "l2announcements", reason: "the lab announces no addresses"),
        Group(prefix: "hostFirewall", reason: "policies protect pods only"),
        Group(prefix: "localRedirectPolicy", reason: "the datapath has no local redirect policies"),
        Group(prefix: "endpointRoutes", reason: "endpoints are reached through maps, not routes"),
        Group(prefix: "endpointHealthChecking", reason: "every node has a health endpoint"),
        Group(prefix: "tolerations", reason: "the agent is started by the node itself"),
        Group(prefix: "affinity", reason: "the agent is started by the node itself"),
        Group(prefix: "nodeSelector", reason: "the agent is started by the node itself"),
        Group(prefix: "resources", reason: "the agent is started by the node itself"),
        Group(prefix: "rollOutCiliumPods", reason: "the agent is started by the node itself"),
        Group(prefix: "nodeinit", reason: "the node's image needs no preparation"),
        Group(prefix: "wellKnownIdentities", reason: "identities follow from labels only"),
        Group(prefix: "identityAllocationMode", reason: "identities follow from labels only"),
        Group(prefix: "preflight", reason: "an agent is started again, not upgraded"),
        Group(prefix: "upgradeCompatibility", reason: "an agent is started again, not upgraded"),
        Group(prefix: "sctp", reason: "the datapath has no SCTP"),
        Group(prefix: "nat46x64Gateway", reason: "the datapath has no IPv6"),
        Group(prefix: "multicast", reason: "the datapath has no multicast"),
        Group(prefix: "azure", reason: "the lab's cloud is another one"),
        Group(prefix: "alibabacloud", reason: "the lab's cloud is another one"),
        Group(prefix: "gke", reason: "the lab's cloud is another one"),
    ]

    /// Returns the key as an option with one accepted value, which asks for nothing.
    static func entry(for name: String) -> OptionKey? {
        guard let group = groups.first(where: { name == $0.prefix || name.hasPrefix($0.prefix + ".") }) else {
            return nil
        }
        return OptionKey(name, .text, .only(["false", ""], because: group.reason))
    }
}
