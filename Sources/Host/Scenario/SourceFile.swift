import Foundation
import ScenarioReading

/// Reads files by the names that scenarios use.
enum SourceFile {
    /// Reads a regular file, up to one byte more than the limit of a reading.
    static func read(_ path: String) -> Result<[UInt8], ScenarioReader.ManifestError> {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            return .failure(.init(message: "there is no file \(path)"))
        }
        let type =
            (try? FileManager.default.attributesOfItem(atPath: URL(filePath: path).resolvingSymlinksInPath().path))?[
                .type] as? FileAttributeType
        guard !isFolder.boolValue, type == .typeRegular else {
            return .failure(.init(message: "\(path) is not a regular file"))
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            return .failure(.init(message: "\(path) cannot be read"))
        }
        defer { try? handle.close() }
        do {
            return .success([UInt8](try handle.read(upToCount: YAMLReading.byteLimit + 1) ?? Data()))
        } catch {
            return .failure(.init(message: "\(path) cannot be read: \(error.localizedDescription)"))
        }
    }

    /// Reads a manifest. Its path is relative to the scenario's folder and must not leave it.
    static func manifest(_ path: String, beside file: String) -> Result<[UInt8], ScenarioReader.ManifestError> {
        guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            return .failure(.init(message: "\(path) is not below the scenario's folder"))
        }
        return read(folder(of: file) + path)
    }

    /// Returns the folder of a file: `scenarios/` for `scenarios/x.yaml`, or the empty text for a bare name.
    static func folder(of file: String) -> String {
        file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
    }
}
