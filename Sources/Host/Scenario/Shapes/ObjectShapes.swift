import KubeObjects
import NetAddress
import ScenarioReading

/// Manifests of the objects that agents follow: services and what belongs to them.
enum ObjectShapes {
    /// The kinds that a file may give; nodes and pods come from the lab and the workloads.
    static let kinds: [ObjectKind] = [
        .namespaces, .services, .endpointSlices, .networkPolicies, .ciliumNetworkPolicies,
    ]

    static let all: [(key: String, shape: ObjectShape)] = [
        (ObjectKind.namespaces.manifestKind, namespace), (ObjectKind.services.manifestKind, service),
        (ObjectKind.endpointSlices.manifestKind, endpointSlice),
        (ObjectKind.networkPolicies.manifestKind, PolicyShapes.networkPolicy),
        (ObjectKind.ciliumNetworkPolicies.manifestKind, PolicyShapes.ciliumNetworkPolicy),
    ]

    static func header(_ kind: ObjectKind) -> [Field] {
        [
            Field("apiVersion", .text(), required: true, constant: kind.apiVersion, "API version."),
            Field("kind", .text(), required: true, constant: kind.manifestKind, "Kind."),
            Field(
                "metadata", .object(ManifestShape.objectMeta(nameRequired: true)), required: true, "Object metadata."),
        ]
    }

    static let protocols = Shape.choice(["TCP", "UDP"])
    static let labels = Shape.map(.any, .text())
    static let portNumber = Shape.integer(1...65_535)

    static let namespace = ObjectShape(
        name: "Namespace", help: "A namespace; those that workloads name are there without it.",
        fields: header(.namespaces) + [Field("spec", .any, "Accepted, not acted on.")])

    static let service = ObjectShape(
        name: "Service", help: "A service; address and node ports are allocated when left out.",
        fields: header(.services) + [
            Field("spec", .object(serviceSpec), required: true, "What it stands for."),
            Field("status", .object(serviceStatus), "The load balancer's addresses."),
        ])

    private static let serviceSpec = ObjectShape(
        name: "Service's spec", help: "What the service stands for.",
        fields: [
            Field("type", .choice(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]), "ClusterIP."),
            Field("clusterIP", .text(.clusterIP), "An address of the lab's service range, or None for a headless one."),
            Field("clusterIPs", .list(.text(.clusterIP), atLeast: 0), "The same; one address."),
            Field("selector", labels, "Labels of its pods; without it, endpoint slices are given by hand."),
            Field("ports", .list(.object(servicePort), atLeast: 0), "Its ports."),
            Field("externalIPs", .list(.text(.address), atLeast: 0), "Further addresses, on every node."),
            Field("externalName", .text(.nonEmpty), "Name that stands for it; type ExternalName."),
            Field("loadBalancerIP", .text(.address), "The load balancer's address."),
            Field("loadBalancerSourceRanges", .list(.text(.cidr), atLeast: 0), "Who may use the load balancer."),
            Field("sessionAffinity", .choice(["None", "ClientIP"]), "None."),
            Field("sessionAffinityConfig", .object(affinity), "How long a client keeps its backend."),
            Field("internalTrafficPolicy", .choice(["Cluster", "Local"]), "Cluster."),
            Field("externalTrafficPolicy", .choice(["Cluster", "Local"]), "Cluster."),
            Field("allocateLoadBalancerNodePorts", .flag, "True."),
            Field("publishNotReadyAddresses", .flag, "False."),
            Field("ipFamilies", .list(.choice(["IPv4"]), atLeast: 0), "IPv4."),
            Field("ipFamilyPolicy", .choice(["SingleStack"]), "SingleStack."),
        ],
        refused: ["healthCheckNodePort", "loadBalancerClass", "trafficDistribution"],
        refusal: "the lab's services do not have it")

    private static let servicePort = ObjectShape(
        name: "service port", help: "A port of the service.",
        fields: [
            Field("name", .text(.dnsLabel), "Name; required when there are several."),
            Field("protocol", protocols, "TCP."), Field("port", portNumber, required: true, "Number."),
            Field("targetPort", .portOrName, "Port of the pods, by number or name; the same number."),
            Field("nodePort", .integer(30_000...32_767), "Port of the nodes; allocated when left out."),
            Field("appProtocol", .text(), "Accepted."),
        ])

    private static let affinity = ObjectShape(
        name: "session affinity", help: "How long a client keeps its backend.",
        fields: [
            Field(
                "clientIP",
                .object(
                    ObjectShape(
                        name: "client affinity", help: "By the client's address.",
                        fields: [Field("timeoutSeconds", .integer(1...86_400), "10800.")])), "By the client's address.")
        ])

    private static let serviceStatus = ObjectShape(
        name: "Service's status", help: "What the cloud's load balancer would write.",
        fields: [
            Field(
                "loadBalancer",
                .object(
                    ObjectShape(
                        name: "load balancer", help: "The load balancer.",
                        fields: [
                            Field(
                                "ingress",
                                .list(
                                    .object(
                                        ObjectShape(
                                            name: "load balancer address", help: "An address.",
                                            fields: [
                                                Field("ip", .text(.address), "Address."),
                                                Field("hostname", .text(.nonEmpty), "Name."),
                                            ])), atLeast: 0), "Its addresses.")
                        ])), "The load balancer.")
        ])

    static let endpointSlice = ObjectShape(
        name: "EndpointSlice", help: "Endpoints given by hand; the label kubernetes.io/service-name says whose.",
        fields: header(.endpointSlices) + [
            Field("addressType", .choice(["IPv4"]), required: true, "IPv4."),
            Field("endpoints", .list(.object(endpoint), atLeast: 0), required: true, "Endpoints."),
            Field("ports", .list(.object(slicePort), atLeast: 0), "Ports of all of them."),
        ])

    private static let endpoint = ObjectShape(
        name: "endpoint", help: "An endpoint.",
        fields: [
            Field("addresses", .list(.text(.address), atLeast: 1), required: true, "Its address."),
            Field(
                "conditions",
                .object(
                    ObjectShape(
                        name: "conditions", help: "State; ready when left out.",
                        fields: ["ready", "serving", "terminating"].map { Field($0, .flag, "State.") })),
                "State; ready when left out."),
            Field("hostname", .text(.dnsLabel), "Name in a headless service."),
            Field("nodeName", .text(.nonEmpty), "Node that it is on."),
            Field("targetRef", .any, "Accepted, not acted on."), Field("zone", .text(), "Accepted, not acted on."),
            Field("hints", .any, "Accepted, not acted on."),
        ])

    private static let slicePort = ObjectShape(
        name: "endpoint port", help: "A port.",
        fields: [
            Field("name", .text(), "Name of the service's port."), Field("protocol", protocols, "TCP."),
            Field("port", portNumber, required: true, "Number."),
            Field("appProtocol", .text(), "Accepted."),
        ])
}

extension TextRule {
    static let address = TextRule(
        pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$", expected: "an IPv4 address such as 10.0.0.5"
    ) { IPv4Address($0) != nil }

    static let clusterIP = TextRule(
        pattern: "^(None|[0-9]{1,3}(\\.[0-9]{1,3}){3}|)$", expected: "an IPv4 address such as 10.100.0.5, or None"
    ) { $0 == "None" || $0.isEmpty || address.accepts($0) }
}
