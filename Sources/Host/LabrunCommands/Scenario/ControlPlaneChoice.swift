import ControlPlane
import Foundation
import NodeImage
import Scenario

/// Which programs a lab's control plane runs.
struct ControlPlaneChoice {
    /// The environment variable that names the folder of the programs for labs that name none.
    static let variable = "LABRUN_CONTROL_PLANE_BIN"

    /// Says what a folder lacks, or that it has another version than the lab asks for.
    struct Mistake: Error, CustomStringConvertible {
        let description: String
    }

    /// The folder that somebody has named; nil for the programs that labrun builds.
    let folder: String?
    /// Who has named it, in the words of a message.
    let source: String
    private let series: String?

    /// - Returns: Nil for a lab without a control plane.
    init?(_ profile: LabProfile, environment: [String: String] = ProcessInfo.processInfo.environment) {
        guard profile.controlPlane.enabled else { return nil }
        series = profile.controlPlane.version
        if let named = profile.controlPlane.binaries {
            (folder, source) = (named, "controlPlane.binaries")
        } else if let named = environment[Self.variable], !named.isEmpty {
            (folder, source) = (named, Self.variable)
        } else {
            (folder, source) = (nil, "the programs that labrun builds")
        }
    }

    /// What is wrong with a folder that was named. Programs that labrun builds need not be there yet.
    var mistake: Mistake? {
        guard let folder else { return nil }
        do throws(Mistake) {
            _ = try programs(in: folder)
            return nil
        } catch {
            return error
        }
    }

    /// Finds the programs, and builds them if need be.
    func programs(progress: @escaping @Sendable (String) -> Void) async throws -> ControlPlanePrograms {
        if let folder { return try programs(in: folder) }
        return try programs(in: try await ImageStore().controlPlane { progress("\($0)") })
    }

    private func programs(in folder: String) throws(Mistake) -> ControlPlanePrograms {
        let found: ControlPlanePrograms
        do throws(ControlPlaneError) {
            found = try ControlPlanePrograms(directory: folder)
        } catch {
            throw Mistake(description: "\(source): \(error)")
        }
        if let series, "\(found.version.major).\(found.version.minor)" != series {
            throw Mistake(
                description:
                    "\(source): \(found.directory) has Kubernetes \(found.version), and the lab asks for \(series)")
        }
        return found
    }
}
