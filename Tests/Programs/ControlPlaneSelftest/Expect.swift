import LinuxKernel

struct Unexpected: Error, CustomStringConvertible {
    let description: String
}

func expect(
    _ condition: Bool, _ message: @autoclosure () -> String = "", file: String = #fileID, line: Int = #line
) throws {
    if !condition { throw Unexpected(description: "\(file):\(line): not so: \(message())") }
}

/// Asks again and again until there is an answer.
///
/// - Throws: What `look` threw last, or what it saw last, when time is up.
func eventually<Value>(
    _ aim: String, within limit: Duration = .seconds(60), _ look: () async throws -> Value?
) async throws -> Value {
    let deadline = Deadline.after(limit)
    var last = "nothing yet"
    while true {
        do {
            if let value = try await look() { return value }
        } catch { last = "\(error)" }
        if deadline.hasPassed { throw Unexpected(description: "waited in vain for \(aim): \(last)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}
