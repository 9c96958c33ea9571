import KubeObjects
import ScenarioReading
import Shapes

/// Manifests of NetworkPolicy and CiliumNetworkPolicy.
enum PolicyShapes {
    private static let selector = ObjectShape(
        name: "label selector", help: "All of it must hold; the empty one selects everything.",
        fields: [
            Field("matchLabels", ObjectShapes.labels, "Labels."),
            Field("matchExpressions", .list(.object(requirement), atLeast: 0), "Conditions."),
        ])

    private static let requirement = ObjectShape(
        name: "label requirement", help: "A condition of a label.",
        fields: [
            Field("key", .text(.nonEmpty), required: true, "Label."),
            Field(
                "operator", .choice(LabelSelector.Operator.allCases.map(\.rawValue)), required: true, "What must hold."),
            Field("values", .list(.text(), atLeast: 0), "Values, of In and NotIn."),
        ])

    // MARK: NetworkPolicy

    static let networkPolicy = ObjectShape(
        name: "NetworkPolicy", help: "What may come to pods and go from them.",
        fields: ObjectShapes.header(.networkPolicies) + [
            Field(
                "spec",
                .object(
                    ObjectShape(
                        name: "NetworkPolicy's spec", help: "Whom it isolates, and what is allowed.",
                        fields: [
                            Field("podSelector", .object(selector), required: true, "Pods of its namespace."),
                            Field(
                                "policyTypes", .list(.choice(["Ingress", "Egress"]), atLeast: 0),
                                "Directions it isolates."),
                            Field("ingress", .list(.object(rule("from")), atLeast: 0), "What may come."),
                            Field("egress", .list(.object(rule("to")), atLeast: 0), "What may go."),
                        ])), required: true, "Whom it isolates, and what is allowed.")
        ])

    private static func rule(_ peers: String) -> ObjectShape {
        ObjectShape(
            name: "NetworkPolicy rule (\(peers))", help: "Peers and ports; everybody and all when left out.",
            fields: [
                Field(peers, .list(.object(peer), atLeast: 0), "Peers."),
                Field("ports", .list(.object(policyPort), atLeast: 0), "Ports."),
            ])
    }

    private static let peer = ObjectShape(
        name: "NetworkPolicy peer", help: "Pods, or a network.",
        fields: [
            Field("podSelector", .object(selector), "Pods."),
            Field("namespaceSelector", .object(selector), "Of these namespaces; its own when left out."),
            Field(
                "ipBlock",
                .object(
                    ObjectShape(
                        name: "ipBlock", help: "A network.",
                        fields: [
                            Field("cidr", .text(.cidr), required: true, "Network."),
                            Field("except", .list(.text(.cidr), atLeast: 0), "Parts that are not meant."),
                        ])), "A network."),
        ], oneOf: ["podSelector", "namespaceSelector", "ipBlock"])

    private static let policyPort = ObjectShape(
        name: "NetworkPolicy port", help: "A port or a range.",
        fields: [
            Field("protocol", ObjectShapes.protocols, "TCP."),
            Field("port", .portOrName, "Number, or name of a pod's port; all when left out."),
            Field("endPort", ObjectShapes.portNumber, "Last port of the range."),
        ])

    // MARK: CiliumNetworkPolicy

    static let ciliumNetworkPolicy = ObjectShape(
        name: "CiliumNetworkPolicy", help: "What may come to endpoints and go from them.",
        fields: ObjectShapes.header(.ciliumNetworkPolicies) + [
            Field("spec", .object(ciliumRule), "A rule."),
            Field("specs", .list(.object(ciliumRule), atLeast: 1), "Rules."),
        ], oneOf: ["spec", "specs"])

    private static let ciliumRule = ObjectShape(
        name: "CiliumNetworkPolicy rule", help: "Whom it protects, and what is allowed or denied.",
        fields: [
            Field("description", .text(), "Text."),
            Field("endpointSelector", .object(selector), required: true, "Pods of its namespace."),
            Field("ingress", .list(.object(ciliumIngress), atLeast: 0), "What may come."),
            Field("ingressDeny", .list(.object(ciliumIngress), atLeast: 0), "What may not come, whatever is allowed."),
            Field("egress", .list(.object(ciliumEgress), atLeast: 0), "What may go."),
            Field("egressDeny", .list(.object(ciliumEgress), atLeast: 0), "What may not go, whatever is allowed."),
            Field(
                "enableDefaultDeny",
                .object(
                    ObjectShape(
                        name: "default deny", help: "Whether the rule isolates.",
                        fields: ["ingress", "egress"].map { Field($0, .flag, "Whether it isolates.") })),
                "Whether it isolates; each direction that it has rules for."),
            Field("labels", .any, "Accepted, not acted on."),
        ], refused: ["nodeSelector", "log"], refusal: "policies protect pods only")

    private static let ciliumIngress = ObjectShape(
        name: "CiliumNetworkPolicy ingress rule", help: "All that is given must hold.",
        fields: [
            Field("fromEndpoints", selectors, "Pods."), Field("fromCIDR", networks, "Networks."),
            Field("fromCIDRSet", .list(.object(cidr), atLeast: 0), "Networks with exceptions."),
            Field("fromEntities", entities, "Entities."),
        ] + ports,
        refused: ["fromRequires", "fromNodes", "fromGroups", "authentication"],
        refusal: "the datapath's policies do not have it")

    private static let ciliumEgress = ObjectShape(
        name: "CiliumNetworkPolicy egress rule", help: "All that is given must hold.",
        fields: [
            Field("toEndpoints", selectors, "Pods."), Field("toCIDR", networks, "Networks."),
            Field("toCIDRSet", .list(.object(cidr), atLeast: 0), "Networks with exceptions."),
            Field("toEntities", entities, "Entities."),
            Field("toFQDNs", .list(.object(fqdn), atLeast: 0), "Names, as the pods' DNS answers them."),
            Field("toServices", .list(.object(serviceReference), atLeast: 0), "Services."),
        ] + ports,
        refused: ["toRequires", "toNodes", "toGroups", "authentication"],
        refusal: "the datapath's policies do not have it")

    private static let selectors = Shape.list(.object(selector), atLeast: 0)
    private static let networks = Shape.list(.text(.cidr), atLeast: 0)
    private static let entities = Shape.list(.choice(CiliumEntity.allCases.map(\.rawValue)), atLeast: 0)

    private static let cidr = ObjectShape(
        name: "CIDR with exceptions", help: "A network.",
        fields: [
            Field("cidr", .text(.cidr), required: true, "Network."),
            Field("except", .list(.text(.cidr), atLeast: 0), "Parts that are not meant."),
        ], refused: ["cidrGroupRef", "cidrGroupSelector"], refusal: "there are no CIDR groups")

    private static let fqdn = ObjectShape(
        name: "DNS name", help: "A name or a pattern.",
        fields: [
            Field("matchName", .text(.nonEmpty), "Name."),
            Field("matchPattern", .text(.nonEmpty), "Name in which * stands for any characters of a label."),
        ], oneOf: ["matchName", "matchPattern"])

    private static let serviceReference = ObjectShape(
        name: "service reference", help: "A service.",
        fields: [
            Field(
                "k8sService",
                .object(
                    ObjectShape(
                        name: "named service", help: "By its name.",
                        fields: ["serviceName", "namespace"].map { Field($0, .text(.dnsLabel), "Name.") })),
                "By its name."),
            Field(
                "k8sServiceSelector",
                .object(
                    ObjectShape(
                        name: "selected services", help: "By their labels.",
                        fields: [
                            Field("selector", .object(selector), required: true, "Labels."),
                            Field("namespace", .text(.dnsLabel), "Namespace."),
                        ])), "By their labels."),
        ], oneOf: ["k8sService", "k8sServiceSelector"])

    private static let ports: [Field] = [
        Field("toPorts", .list(.object(portRule), atLeast: 0), "Ports, and what their requests must be."),
        Field("icmps", .list(.object(icmp), atLeast: 0), "ICMP types."),
    ]

    private static let portRule = ObjectShape(
        name: "port rule", help: "Ports, and what their requests must be.",
        fields: [
            Field(
                "ports",
                .list(
                    .object(
                        ObjectShape(
                            name: "Cilium port", help: "A port or a range.",
                            fields: [
                                Field("port", .portOrName, required: true, "Number as text, or a pod's port name."),
                                Field("endPort", ObjectShapes.portNumber, "Last port of the range."),
                                Field("protocol", .choice(["TCP", "UDP", "ANY"]), "ANY."),
                            ])), atLeast: 0), "Ports."),
            Field(
                "rules",
                .object(
                    ObjectShape(
                        name: "L7 rules", help: "What requests must be.",
                        fields: [
                            Field("http", .list(.object(http), atLeast: 0), "HTTP requests."),
                            Field("dns", .list(.object(fqdn), atLeast: 0), "DNS questions."),
                        ], refused: ["kafka", "l7", "l7proto"], refusal: "the node's proxy reads HTTP and DNS only")),
                "What requests must be."),
        ], refused: ["originatingTLS", "terminatingTLS", "serverNames", "listener"],
        refusal: "the node's proxy does not have it")

    private static let http = ObjectShape(
        name: "HTTP rule", help: "All that is given must match.",
        fields: [
            Field("method", .text(.nonEmpty), "Regular expression of the method."),
            Field("path", .text(.nonEmpty), "Regular expression of the path."),
            Field("host", .text(.nonEmpty), "Regular expression of the host."),
            Field("headers", .list(.text(.nonEmpty), atLeast: 0), "Name: value, or a name that must be there."),
            Field("headerMatches", .list(.object(headerMatch), atLeast: 0), "Headers, name and value apart."),
        ])

    private static let headerMatch = ObjectShape(
        name: "header match", help: "A header that must be there.",
        fields: [
            Field("name", .text(.nonEmpty), required: true, "Name."),
            Field("value", .text(.nonEmpty), "Its value; any when left out."),
            Field("mismatch", .choice(["FAIL"]), "What happens to other requests: they are refused."),
        ], refused: ["secret"], refusal: "there are no secrets: write the value out")

    private static let icmp = ObjectShape(
        name: "ICMP rule", help: "ICMP types.",
        fields: [
            Field(
                "fields",
                .list(
                    .object(
                        ObjectShape(
                            name: "ICMP type", help: "A type.",
                            fields: [
                                Field("type", .portOrName, required: true, "Number, or a name such as EchoRequest."),
                                Field("family", .choice(["IPv4"]), "IPv4."),
                            ])), atLeast: 1), required: true, "Types.")
        ])
}
