import Foundation
import Glibc

extension ImageStore {
    /// Returns the folder with the programs of a control plane (`kube-apiserver`, `kube-controller-manager`,
    /// `kube-scheduler`, `etcd`, `kubectl`), from the cache if they are there, else built now, in minutes.
    ///
    /// - Throws: ``ImageError`` or `CancellationError`. The cache is then as it was before.
    public func controlPlane(progress: Progress? = nil) async throws -> String {
        try await ensureControlPlane(progress: progress).directory
    }

    /// Returns the programs of a control plane, from the cache if they are there (without network and lock), else built
    /// now.
    ///
    /// - Parameter refresh: Whether the archive is asked for newer sources and packages first.
    /// - Throws: ``ImageError`` or `CancellationError`. The cache is then as it was before.
    public func ensureControlPlane(
        _ recipe: ControlPlaneRecipe = .standard, refresh: Bool = false, progress: Progress? = nil
    ) async throws -> ControlPlaneArtifact {
        if !refresh, let artifact = cachedControlPlane(recipe) { return artifact }
        try cache.makeDirectories()
        return try await ImageLock.hold(cache.lockFile, waiting: { progress?(.waitingForOtherBuild) }) {
            if !refresh, let artifact = cachedControlPlane(recipe) { return artifact }
            try cache.clearScratch()
            defer { try? cache.clearScratch(keeping: compiledPackages) }
            let artifact = try await buildControlPlane(recipe, refresh: refresh, progress)
            progress?(.controlPlaneReady(digest: artifact.digest))
            return artifact
        }
    }

    /// Returns the complete control planes in the cache, sorted by digest.
    public func controlPlanes() throws -> [ControlPlaneArtifact] {
        try ImageCache.names(in: cache.controlPlanes).compactMap { name in
            ControlPlaneManifest.load(cache.controlPlane(name))?.artifact(in: cache.controlPlane(name))
        }
    }

    /// Returns the programs that `ensureControlPlane` would return now without building any, or nil.
    public func cachedControlPlane(_ recipe: ControlPlaneRecipe = .standard) -> ControlPlaneArtifact? {
        guard let resolved = resolvedControlPlane(), resolved.recipe == recipe else { return nil }
        let place = cache.controlPlane(resolved.digest)
        return ControlPlaneManifest.load(place)?.artifact(in: place)
    }

    func resolvedControlPlane() -> ResolvedControlPlane? {
        FileManager.default.contents(atPath: cache.resolvedControlPlane)
            .flatMap { try? JSONDecoder().decode(ResolvedControlPlane.self, from: $0) }
    }

    // MARK: Building, with the lock held

    private func buildControlPlane(
        _ recipe: ControlPlaneRecipe, refresh: Bool, _ progress: Progress?
    ) async throws -> ControlPlaneArtifact {
        let scratch = try cache.makeScratch()
        let resolved: ResolvedControlPlane
        if !refresh, let known = resolvedControlPlane(), known.recipe == recipe, hasAll(of: known) {
            resolved = known
        } else {
            progress?(.resolvingControlPlane(suite: recipe.suite))
            resolved = try await source.resolve(recipe, scratch: scratch)
            try await fetch(resolved.packages, scratch: scratch, progress)
            try await fetch(resolved.source, scratch: scratch, progress)
        }
        let place = cache.controlPlane(resolved.digest)
        if ControlPlaneManifest.load(place) == nil { try await compile(resolved, into: place, progress) }
        guard let manifest = ControlPlaneManifest.load(place) else {
            throw ImageError(.cacheUnusable, "\(place) is not readable right after it was written")
        }
        // It is noted last, so that earlier programs stay the current ones when a build fails.
        try cache.writeAtomically(
            JSONEncoder.stable.encode(resolved), to: cache.resolvedControlPlane, makeSink: makeSink)
        return manifest.artifact(in: place)
    }

    private func compile(_ resolved: ResolvedControlPlane, into place: String, _ progress: Progress?) async throws {
        try verify(resolved.packages)
        try verify(resolved.source)
        try requireSpace()
        let files = Dictionary(
            resolved.packages.map { ($0.sha256, cache.deb($0)) }
                + resolved.source.files.map { ($0.sha256, cache.source($0)) }
        ) { first, _ in first }
        let clock = ContinuousClock()
        let begun = clock.now
        let builder = ControlPlaneBuilder(
            resolved: resolved, file: { files[$0] ?? $0 }, work: try cache.makeScratch(), compiled: compiledPackages,
            progress: ControlPlaneProgress(
                elapsed: { clock.now - begun },
                tell: { state in
                    progress?(.buildingControlPlane(state.step, done: state.done, secondsLeft: state.secondsLeft))
                }))
        let output = try cache.makeScratch()
        let manifest = ControlPlaneManifest(
            digest: resolved.digest, resolved: resolved, programs: try await builder.build(into: output))
        let description = try makeSink(output + "/manifest.json")
        try JSONEncoder.stable.encode(manifest).withUnsafeBytes { try description.write($0) }
        try description.finish()
        try Task.checkCancellation()
        try cache.publish(output, as: place)
    }

    func hasAll(of resolved: ResolvedControlPlane) -> Bool {
        resolved.packages.allSatisfy { ImageCache.size(of: cache.deb($0)) == $0.bytes }
            && resolved.source.files.allSatisfy { ImageCache.size(of: cache.source($0)) == $0.bytes }
    }

    /// Downloads the tarballs that the cache lacks; each is checked before it gets its place.
    func fetch(_ source: DebianSource, scratch: String, _ progress: Progress?) async throws {
        guard source.files.contains(where: { ImageCache.size(of: cache.source($0)) != $0.bytes }) else { return }
        progress?(
            .downloading(packages: ["\(source.name) (source)"], bytes: source.files.reduce(0) { $0 + $1.bytes }))
        for (file, path) in zip(source.files, try await self.source.download(source, scratch: scratch)) {
            try file.verify(path)
            try ImageCache.sync(path)
            try cache.publish(path, as: cache.source(file))
        }
    }

    /// Checks cached tarballs once more. A broken one is removed, so that the next run downloads it again.
    func verify(_ source: DebianSource) throws {
        for file in source.files {
            do {
                try file.verify(cache.source(file))
            } catch {
                try ImageCache.remove(cache.source(file))
                throw error
            }
        }
    }

    /// Fails before minutes have gone into a build for which there is no room.
    func requireSpace() throws {
        var information = statvfs()
        guard statvfs(cache.scratch, &information) == 0 else { return }
        let free = Int(information.f_bavail) * Int(information.f_frsize)
        let needed = ControlPlaneBuilder.neededBytes
        guard free < needed else { return }
        throw ImageError(
            .diskFull,
            "\(cache.root) has \(free / 1_000_000) MB free, and building Kubernetes takes \(needed / 1_000_000) MB",
            mend: "free some space, run 'labrun image prune', or set XDG_CACHE_HOME to a larger disk")
    }
}
