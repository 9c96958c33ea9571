import Foundation

extension ImageStore {
    /// Returns the disk with a kubelet, from the cache if it is there (without network and lock), else built now, in
    /// minutes.
    ///
    /// - Parameter refresh: Whether the archive is asked for newer sources and packages first.
    /// - Throws: ``ImageError`` or `CancellationError`. The cache is then as it was before.
    public func ensureKubeletDisk(
        _ recipe: KubeletDiskRecipe = .standard, refresh: Bool = false, progress: Progress? = nil
    ) async throws -> KubeletDiskArtifact {
        if !refresh, let artifact = cachedKubeletDisk(recipe) { return artifact }
        try cache.makeDirectories()
        return try await ImageLock.hold(cache.lockFile, waiting: { progress?(.waitingForOtherBuild) }) {
            if !refresh, let artifact = cachedKubeletDisk(recipe) { return artifact }
            try cache.clearScratch(keeping: compiledPackages)
            defer { try? cache.clearScratch() }
            let artifact = try await buildKubeletDisk(recipe, refresh: refresh, progress)
            progress?(.kubeletDiskReady(digest: artifact.digest))
            return artifact
        }
    }

    /// Returns the complete kubelets' disks in the cache, sorted by digest.
    public func kubeletDisks() throws -> [KubeletDiskArtifact] {
        try ImageCache.names(in: cache.kubeletDisks).compactMap { name in
            KubeletDiskManifest.load(cache.kubeletDisk(name))?.artifact(in: cache.kubeletDisk(name))
        }
    }

    /// Returns the disk that `ensureKubeletDisk` would return now without building one, or nil.
    public func cachedKubeletDisk(_ recipe: KubeletDiskRecipe = .standard) -> KubeletDiskArtifact? {
        guard let resolved = resolvedKubeletDisk(), resolved.recipe == recipe else { return nil }
        let place = cache.kubeletDisk(resolved.digest)
        return KubeletDiskManifest.load(place)?.artifact(in: place)
    }

    func resolvedKubeletDisk() -> ResolvedKubeletDisk? {
        FileManager.default.contents(atPath: cache.resolvedKubeletDisk)
            .flatMap { try? JSONDecoder().decode(ResolvedKubeletDisk.self, from: $0) }
    }

    // MARK: Building, with the lock held

    private func buildKubeletDisk(
        _ recipe: KubeletDiskRecipe, refresh: Bool, _ progress: Progress?
    ) async throws -> KubeletDiskArtifact {
        let scratch = try cache.makeScratch()
        let resolved: ResolvedKubeletDisk
        if !refresh, let known = resolvedKubeletDisk(), known.recipe == recipe, hasAll(of: known.build) {
            resolved = known
        } else {
            progress?(.resolvingControlPlane(suite: recipe.build.suite))
            let build = try await source.resolve(recipe.build, scratch: scratch)
            try await fetch(build.packages, scratch: scratch, progress)
            try await fetch(build.source, scratch: scratch, progress)
            resolved = ResolvedKubeletDisk(recipe: recipe, build: build)
        }
        let place = cache.kubeletDisk(resolved.digest)
        if KubeletDiskManifest.load(place) == nil { try await pack(resolved, into: place, progress) }
        guard let manifest = KubeletDiskManifest.load(place) else {
            throw ImageError(.cacheUnusable, "\(place) is not readable right after it was written")
        }
        // It is noted last, so that an earlier disk stays the current one when a build fails.
        try cache.writeAtomically(
            JSONEncoder.stable.encode(resolved), to: cache.resolvedKubeletDisk, makeSink: makeSink)
        return manifest.artifact(in: place)
    }

    private func pack(_ resolved: ResolvedKubeletDisk, into place: String, _ progress: Progress?) async throws {
        try verify(resolved.build.packages)
        try verify(resolved.build.source)
        try requireSpace()
        let files = Dictionary(
            resolved.build.packages.map { ($0.sha256, cache.deb($0)) }
                + resolved.build.source.files.map { ($0.sha256, cache.source($0)) }
        ) { first, _ in first }
        let output = try cache.makeScratch()
        let disk = "\(output)/\(KubeletDiskManifest.disk)"
        try await KubeletDiskBuilder(
            resolved: resolved, file: { files[$0] ?? $0 }, work: try cache.makeScratch(), compiled: compiledPackages,
            progress: { progress?(.buildingKubeletDisk($0)) }
        ).build(to: disk)
        let (bytes, sha256) = try FileSource.measure(disk)
        let manifest = KubeletDiskManifest(digest: resolved.digest, resolved: resolved, bytes: bytes, sha256: sha256)
        let description = try makeSink(output + "/manifest.json")
        try JSONEncoder.stable.encode(manifest).withUnsafeBytes { try description.write($0) }
        try description.finish()
        try Task.checkCancellation()
        try cache.publish(output, as: place)
    }
}
