import JSON

/// `v1.Volume`, as far as a node acts on it.
public struct PodVolume: Sendable, Equatable {
    public enum Source: Sendable, Equatable {
        case emptyDirectory(isMemory: Bool, sizeLimit: Int64?)
        case hostPath(String, type: String)
        /// ConfigMap, Secret, downward API and tokens: one source for the plain kinds, several for a projected one.
        case files([FileSource], defaultMode: UInt16)
        /// One that the node has not; ``NodeCapabilities`` refuses it.
        case unsupported
    }

    public enum FileSource: Sendable, Equatable {
        case object(ObjectReference.Kind, name: String, items: [Item], isOptional: Bool)
        case downward([DownwardItem])
        case token(audience: String?, expirationSeconds: Int64, path: String)
    }

    /// A key and the file it becomes.
    public struct Item: Sendable, Equatable {
        public let key: String
        public let path: String
        public let mode: UInt16?
    }

    public struct DownwardItem: Sendable, Equatable {
        public let path: String
        public let mode: UInt16?
        /// One of both.
        public let field: String?
        public let resource: ResourceField?
    }

    public let name: String
    public let source: Source

    init(_ fields: ObjectFields) throws(UnreadablePod) {
        name = try fields.requiredText("name")
        if let directory = try fields.object("emptyDir") {
            source = .emptyDirectory(
                isMemory: try directory.text("medium") == "Memory",
                sizeLimit: directory.value("sizeLimit").flatMap { Quantity($0)?.value })
        } else if let host = try fields.object("hostPath") {
            source = .hostPath(try host.requiredText("path"), type: try host.text("type") ?? "")
        } else if let map = try fields.object("configMap") {
            source = .files([try Self.object(.configMap, map, name: "name")], defaultMode: try Self.mode(map))
        } else if let secret = try fields.object("secret") {
            source = .files([try Self.object(.secret, secret, name: "secretName")], defaultMode: try Self.mode(secret))
        } else if let downward = try fields.object("downwardAPI") {
            source = .files([try Self.downward(downward)], defaultMode: try Self.mode(downward))
        } else if let projected = try fields.object("projected") {
            var sources: [FileSource] = []
            for source in try projected.objects("sources") {
                if let map = try source.object("configMap") {
                    sources.append(try Self.object(.configMap, map, name: "name"))
                } else if let secret = try source.object("secret") {
                    sources.append(try Self.object(.secret, secret, name: "name"))
                } else if let downward = try source.object("downwardAPI") {
                    sources.append(try Self.downward(downward))
                } else if let token = try source.object("serviceAccountToken") {
                    sources.append(
                        .token(
                            audience: try token.text("audience").flatMap { $0.isEmpty ? nil : $0 },
                            expirationSeconds: try token.count("expirationSeconds") ?? 3600,
                            path: try token.requiredText("path")))
                }
            }
            source = .files(sources, defaultMode: try Self.mode(projected))
        } else {
            // A volume without a source is an empty directory.
            source =
                fields.members.count <= 1 ? .emptyDirectory(isMemory: false, sizeLimit: nil) : .unsupported
        }
    }

    private static func mode(_ fields: ObjectFields) throws(UnreadablePod) -> UInt16 {
        UInt16(truncatingIfNeeded: try fields.count("defaultMode") ?? 0o644) & 0o777
    }

    private static func itemMode(_ fields: ObjectFields) throws(UnreadablePod) -> UInt16? {
        try fields.count("mode").map { UInt16(truncatingIfNeeded: $0) & 0o777 }
    }

    private static func object(
        _ kind: ObjectReference.Kind, _ fields: ObjectFields, name: String
    ) throws(UnreadablePod) -> FileSource {
        .object(
            kind, name: try fields.text(name) ?? "",
            items: try fields.list("items") { item throws(UnreadablePod) in
                Item(
                    key: try item.requiredText("key"), path: try item.requiredText("path"), mode: try itemMode(item))
            },
            isOptional: try fields.bool("optional") ?? false)
    }

    private static func downward(_ fields: ObjectFields) throws(UnreadablePod) -> FileSource {
        .downward(
            try fields.list("items") { item throws(UnreadablePod) in
                DownwardItem(
                    path: try item.requiredText("path"), mode: try itemMode(item),
                    field: try item.object("fieldRef")?.requiredText("fieldPath"),
                    resource: try item.optional("resourceFieldRef") { resource throws(UnreadablePod) in
                        try ResourceField(resource)
                    })
            })
    }

    /// The objects that its files come from, and whether the pod can do without.
    var references: [(kind: ObjectReference.Kind, name: String, isOptional: Bool)] {
        guard case .files(let sources, _) = source else { return [] }
        return sources.compactMap {
            if case .object(let kind, let name, _, let isOptional) = $0 { (kind, name, isOptional) } else { nil }
        }
    }
}
