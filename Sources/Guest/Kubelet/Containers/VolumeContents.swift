import JSON

/// Makes the files of a pod's volumes.
struct VolumeContents {
    let pod: KubePod
    let addresses: [String]
    let settings: KubeletSettings
    let objects: [ObjectReference: ObjectContent?]
    let tokens: [TokenRequest: IssuedToken]

    /// A volume that cannot be made: the words after `MountVolume.SetUp failed for volume "…" : `.
    struct Problem: Error, Equatable {
        let volume: String
        let message: String
    }

    func plan(_ volume: PodVolume) throws(Problem) -> VolumePlan {
        let group = pod.spec.filesystemGroup
        switch volume.source {
        case .emptyDirectory(let isMemory, let sizeLimit):
            return VolumePlan(
                name: volume.name, source: .emptyDirectory(isMemory: isMemory, sizeLimit: sizeLimit), group: group)
        case .hostPath(let path, let type):
            return VolumePlan(name: volume.name, source: .hostPath(path, type: type), group: nil)
        case .unsupported: throw Problem(volume: volume.name, message: "no volume plugin matched")
        case .files(let sources, let defaultMode):
            var files: [String: VolumeFile] = [:]
            for source in sources {
                for file in try self.files(source, of: volume, defaultMode) { files[file.path] = file }
            }
            return VolumePlan(
                name: volume.name, source: .files(files.values.sorted { $0.path < $1.path }), group: group)
        }
    }

    private func files(
        _ source: PodVolume.FileSource, of volume: PodVolume, _ mode: UInt16
    ) throws(Problem) -> [VolumeFile] {
        switch source {
        case .object(let kind, let name, let items, let isOptional):
            let reference = ObjectReference(kind: kind, namespace: pod.identity.namespace, name: name)
            guard let content = objects[reference].flatMap(\.self) else {
                if isOptional { return [] }
                throw Problem(volume: volume.name, message: "\(kind.rawValue) \(GoText.quoted(name)) not found")
            }
            if items.isEmpty {
                return content.data.map { VolumeFile(path: $0.key, content: $0.value, mode: mode) }
                    .filter { Self.isSafe($0.path) }
            }
            var files: [VolumeFile] = []
            for item in items {
                guard Self.isSafe(item.path) else {
                    throw Problem(volume: volume.name, message: "invalid path \(GoText.quoted(item.path))")
                }
                guard let bytes = content.data[item.key] else {
                    if isOptional { continue }
                    throw Problem(
                        volume: volume.name,
                        message: kind == .configMap
                            ? "configmap references non-existent config key: \(item.key)"
                            : "references non-existent secret key: \(item.key)")
                }
                files.append(VolumeFile(path: item.path, content: bytes, mode: item.mode ?? mode))
            }
            return files
        case .downward(let items):
            var files: [VolumeFile] = []
            for item in items where Self.isSafe(item.path) {
                let value: String?
                if let field = item.field {
                    value = DownwardAPI.field(field, of: pod, addresses: addresses, settings: settings)
                } else if let resource = item.resource {
                    value = DownwardAPI.resource(
                        resource, of: pod, default: resource.container ?? "", settings: settings)
                } else {
                    value = nil
                }
                guard let value else {
                    throw Problem(
                        volume: volume.name,
                        message: "unsupported fieldPath: \(item.field ?? item.resource?.resource ?? "")")
                }
                files.append(VolumeFile(path: item.path, content: Array(value.utf8), mode: item.mode ?? mode))
            }
            return files
        case .token(_, _, let path):
            guard let request = Self.request(source, of: pod), let token = tokens[request], Self.isSafe(path) else {
                return []
            }
            // Owner-only, unless others than root must read it.
            let isShared = pod.spec.filesystemGroup != nil || pod.spec.user != nil
            return [VolumeFile(path: path, content: Array(token.token.utf8), mode: isShared ? 0o644 : 0o600)]
        }
    }

    /// The token requests of a pod's volumes.
    static func tokenRequests(_ pod: KubePod) -> [TokenRequest] {
        pod.spec.volumes.flatMap { volume -> [TokenRequest] in
            guard case .files(let sources, _) = volume.source else { return [] }
            return sources.compactMap { request($0, of: pod) }
        }
    }

    private static func request(_ source: PodVolume.FileSource, of pod: KubePod) -> TokenRequest? {
        guard case .token(let audience, let seconds, _) = source else { return nil }
        return TokenRequest(
            namespace: pod.identity.namespace, serviceAccount: pod.spec.serviceAccount, pod: pod.identity,
            audience: audience, expirationSeconds: max(600, seconds))
    }

    /// Whether a path stays in its volume.
    static func isSafe(_ path: String) -> Bool {
        !path.isEmpty && path.utf8.count <= 4096 && !path.hasPrefix("/") && !path.utf8.contains(0)
            && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty && $0 != "." && $0 != ".."
            }
    }
}
