import ScenarioReading
import Shapes

/// Shapes of `controlPlane` in labs, and in scenarios' overrides.
enum ControlPlaneShape {
    /// A series of Kubernetes, without its patch level.
    static let series = TextRule(
        pattern: "^1\\.[1-9][0-9]{0,2}$", expected: "a series of Kubernetes such as 1.20"
    ) { text in
        guard text.hasPrefix("1."), let minor = Int(text.dropFirst(2)) else { return false }
        return (1...999).contains(minor) && text.dropFirst(2) == "\(minor)"
    }

    private static let common = [
        Field("enabled", .flag, required: true, "Whether the lab has one."),
        Field(
            "binaries", .text(.nonEmpty),
            "Folder of kube-apiserver, kube-controller-manager, kube-scheduler and etcd, beside this file; those that "
                + "labrun builds."),
        Field("version", .text(series), "Series that its API server must be of; any."),
        Field(
            "cloudController", .flag,
            "Whether a cloud controller completes nodes and makes load balancers; false, or true with one of the next three."
        ),
        Field(
            "autoscaler", .flag,
            "Whether it starts nodes that join later for pods that wait, by NodePool objects; false."),
        Field(
            "configureCloudRoutes", .flag,
            "Whether it makes routes of the VPC to nodes' shares of the pods' range; false."),
        Field(
            "gatewayController", .flag, "Whether it serves Gateways and HTTPRoutes of Gateway API; false."),
    ]

    static let overrides = ObjectShape(
        name: "controlPlane", help: "kube-apiserver, kube-controller-manager, kube-scheduler and etcd.", fields: common)

    static let layout = ObjectShape(
        name: "controlPlane", help: "kube-apiserver, kube-controller-manager, kube-scheduler and etcd, in the VPC.",
        fields: common + [
            Field("subnet", .text(.dnsLabel), "A subnet's name; control-plane, which is made if there is none."),
            Field("address", .text(CloudShape.address), "Its address in the subnet; the first free one."),
            Field(
                "securityGroups", .oneOrMore(.text(.nonEmpty)),
                "Groups whose rules count it as a member; those of the nodes."),
        ])
}
