import NodeImage
import Scenario
import ScenarioReading

/// The userland disk of a lab, with what its user adds.
struct UserlandChoice {
    /// What the user's `images.yaml` says; nil for the disk of everybody.
    let images: UserImages?

    /// Finds the disk, and makes it if need be.
    ///
    /// - Throws: `ImageError`; `ProblemReport` for packages that the archive does not have, each with its place in
    ///   `images.yaml`.
    func disk(
        _ store: ImageStore, refresh: Bool = false, progress: @escaping @Sendable (String) -> Void
    ) async throws -> UserlandArtifact {
        let additions = UserlandAdditions(
            packages: images?.packages.map(\.name) ?? [],
            binaries: images?.binaries.map { .init(name: $0.name, path: $0.path) } ?? [])
        do {
            return try await store.ensureUserland(adding: additions, refresh: refresh) { progress("\($0)") }
        } catch let error as UnknownPackages {
            throw report(error) ?? error
        }
    }

    /// The mistakes of the user's file; nil if the packages that the archive lacks are none of the user's.
    func report(_ error: UnknownPackages) -> (any Error)? {
        guard let images else { return nil }
        let unknown = images.packages.filter { error.names.contains($0.name) }
        if unknown.isEmpty { return nil }
        return ProblemReport(
            unknown.map { package in
                Problem(
                    file: images.file, line: package.line, column: package.column,
                    message: "Debian \(error.suite) has no package \"\(package.name)\"",
                    expected: "a package of Debian \(error.suite)",
                    suggestion: NearestName.of(package.name, among: error.known))
            })
    }
}
