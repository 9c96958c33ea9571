import JSON

/// A `v1 Pod` as the node acts on it.
public struct KubePod: Sendable, Equatable {
    /// The object as it was read, whole.
    public let object: JSONValue
    public let identity: PodIdentity
    public let labels: [String: String]
    public let annotations: [String: String]
    /// RFC 3339; empty for a static pod.
    public let created: String
    /// Whether the deletion of the object has begun.
    public let isBeingDeleted: Bool
    /// Seconds; nil unless it is being deleted.
    public let deletionGraceSeconds: Int64?
    public let spec: PodSpec
    /// What the API server has as its status: the phase, restart counts and conditions of others.
    public let status: JSONValue?

    /// - Throws: ``UnreadablePod``
    public init(_ object: JSONValue) throws(UnreadablePod) {
        let fields = try ObjectFields(object, at: "")
        guard let metadata = try fields.object("metadata"), let spec = try fields.object("spec") else {
            throw UnreadablePod(path: "", problem: "no metadata or no spec")
        }
        self.object = object
        identity = PodIdentity(
            namespace: try metadata.text("namespace") ?? "default", name: try metadata.requiredText("name"),
            uid: try metadata.requiredText("uid"))
        labels = try metadata.map("labels")
        annotations = try metadata.map("annotations")
        created = try metadata.text("creationTimestamp") ?? ""
        isBeingDeleted = try metadata.text("deletionTimestamp") != nil
        deletionGraceSeconds = try metadata.count("deletionGracePeriodSeconds")
        self.spec = try PodSpec(spec)
        status = object["status"]
    }

    /// Whether the object only shows a static pod.
    public var isMirror: Bool { annotations[Annotation.mirror] != nil }
    var mirroredHash: String? { annotations[Annotation.mirror] }
    var phase: String? { status?["phase"]?.text }
    var isCritical: Bool {
        annotations[Annotation.source].map { $0 != "api" } == true || isMirror || (spec.priority ?? 0) >= 2_000_000_000
    }

    enum Annotation {
        static let mirror = "kubernetes.io/config.mirror"
        static let hash = "kubernetes.io/config.hash"
        static let seen = "kubernetes.io/config.seen"
        static let source = "kubernetes.io/config.source"
    }
}

/// Makes a reflector of pods possible. A JSON value that has been read already goes to the other initializer.
extension KubePod: Decodable {
    public init(from decoder: any Decoder) throws { self = try KubePod(JSONValue(from: decoder)) }
}

/// Why an object is no pod that a node can act on.
public struct UnreadablePod: Error, Sendable, Hashable, CustomStringConvertible {
    public var path: String
    public var problem: String
    public var description: String { path.isEmpty ? problem : "\(path): \(problem)" }
}

/// `v1.PodSpec`, as far as a node acts on it.
public struct PodSpec: Sendable, Equatable {
    public enum RestartPolicy: String, Sendable, CaseIterable {
        case always = "Always"
        case onFailure = "OnFailure"
        case never = "Never"
    }
    public enum DNSPolicy: String, Sendable, CaseIterable {
        case clusterFirst = "ClusterFirst"
        case clusterFirstWithHostNet = "ClusterFirstWithHostNet"
        case node = "Default"
        case none = "None"
    }
    public struct DNSOption: Sendable, Equatable {
        public var name: String
        public var value: String?
    }
    public struct HostAlias: Sendable, Equatable {
        public var address: String
        public var names: [String]
    }

    public let nodeName: String?
    public let restartPolicy: RestartPolicy
    public let initContainers: [PodContainer]
    public let containers: [PodContainer]
    public let volumes: [PodVolume]
    public let isHostNetwork: Bool
    public let sharesProcesses: Bool
    /// Seconds.
    public let terminationGrace: Int64
    /// Seconds since the node first saw the pod.
    public let activeDeadline: Int64?
    public let dnsPolicy: DNSPolicy
    public let nameservers: [String]
    public let searches: [String]
    public let dnsOptions: [DNSOption]
    public let hostname: String?
    public let subdomain: String?
    public let setsHostnameAsFQDN: Bool
    public let hostAliases: [HostAlias]
    public let serviceAccount: String
    public let hasServiceLinks: Bool
    public let readinessGates: [String]
    public let nodeSelector: [String: String]
    /// The terms of `requiredDuringSchedulingIgnoredDuringExecution`; nil if there is no such rule.
    public let requiredTerms: [NodeSelectorTerm]?
    public let tolerations: [Toleration]
    public let priority: Int64?
    public let user: Int64?
    public let group: Int64?
    public let mustBeNonRoot: Bool
    public let supplementalGroups: [Int64]
    public let filesystemGroup: Int64?
    public let sysctls: [String: String]

    init(_ fields: ObjectFields) throws(UnreadablePod) {
        nodeName = try fields.text("nodeName")
        let restart = try fields.text("restartPolicy") ?? "Always"
        guard let policy = RestartPolicy(rawValue: restart) else { throw fields.wrong("restartPolicy", "a policy") }
        restartPolicy = policy
        initContainers = try fields.list("initContainers") { fields throws(UnreadablePod) in try PodContainer(fields) }
        containers = try fields.list("containers") { fields throws(UnreadablePod) in try PodContainer(fields) }
        guard !containers.isEmpty else { throw fields.wrong("containers", "a list of at least one container") }
        guard Set((initContainers + containers).map(\.name)).count == initContainers.count + containers.count else {
            throw fields.wrong("containers", "a list of containers of different names")
        }
        volumes = try fields.list("volumes") { fields throws(UnreadablePod) in try PodVolume(fields) }
        isHostNetwork = try fields.bool("hostNetwork") ?? false
        sharesProcesses = try fields.bool("shareProcessNamespace") ?? false
        terminationGrace = try fields.count("terminationGracePeriodSeconds") ?? 30
        activeDeadline = try fields.count("activeDeadlineSeconds")
        let dns = try fields.text("dnsPolicy") ?? "ClusterFirst"
        guard let policy = DNSPolicy(rawValue: dns) else { throw fields.wrong("dnsPolicy", "a policy") }
        dnsPolicy = policy
        let config = try fields.object("dnsConfig")
        nameservers = try config?.texts("nameservers") ?? []
        searches = try config?.texts("searches") ?? []
        var options: [DNSOption] = []
        for option in try config?.objects("options") ?? [] {
            options.append(DNSOption(name: try option.text("name") ?? "", value: try option.text("value")))
        }
        dnsOptions = options
        hostname = try fields.text("hostname")
        subdomain = try fields.text("subdomain")
        setsHostnameAsFQDN = try fields.bool("setHostnameAsFQDN") ?? false
        hostAliases = try fields.list("hostAliases") { alias throws(UnreadablePod) in
            HostAlias(address: try alias.text("ip") ?? "", names: try alias.texts("hostnames"))
        }
        let account = try fields.text("serviceAccountName")
        let formerName = try fields.text("serviceAccount")
        serviceAccount = account ?? formerName ?? "default"
        hasServiceLinks = try fields.bool("enableServiceLinks") ?? true
        readinessGates = try fields.list("readinessGates") { gate throws(UnreadablePod) in
            try gate.requiredText("conditionType")
        }
        nodeSelector = try fields.map("nodeSelector")
        let required = try fields.object("affinity")?.object("nodeAffinity")?
            .object("requiredDuringSchedulingIgnoredDuringExecution")
        requiredTerms = try required?.list("nodeSelectorTerms") { term throws(UnreadablePod) in
            try NodeSelectorTerm(term)
        }
        tolerations = try fields.list("tolerations") { toleration throws(UnreadablePod) in try Toleration(toleration) }
        priority = fields.value("priority")?.integerValue
        let security = try fields.object("securityContext")
        user = try security?.count("runAsUser")
        group = try security?.count("runAsGroup")
        mustBeNonRoot = try security?.bool("runAsNonRoot") ?? false
        supplementalGroups = (try security?.elements("supplementalGroups") ?? []).compactMap(\.integerValue)
        filesystemGroup = try security?.count("fsGroup")
        var sysctls: [String: String] = [:]
        for sysctl in try security?.objects("sysctls") ?? [] {
            sysctls[try sysctl.requiredText("name")] = try sysctl.text("value") ?? ""
        }
        self.sysctls = sysctls
    }

    func container(named name: String) -> PodContainer? {
        (containers + initContainers).first { $0.name == name }
    }
}
