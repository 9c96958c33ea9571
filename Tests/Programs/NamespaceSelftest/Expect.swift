struct Unexpected: Error, CustomStringConvertible {
    let description: String
}

func expect(
    _ condition: Bool, _ message: @autoclosure () -> String = "", file: String = #fileID, line: Int = #line
) throws {
    if !condition { throw Unexpected(description: "\(file):\(line): not so: \(message())") }
}

func expectEqual<Value: Equatable>(
    _ left: Value, _ right: Value, file: String = #fileID, line: Int = #line
) throws {
    if left != right { throw Unexpected(description: "\(file):\(line): \(left) is not \(right)") }
}

func require<Value>(_ value: Value?, file: String = #fileID, line: Int = #line) throws -> Value {
    guard let value else { throw Unexpected(description: "\(file):\(line): nil") }
    return value
}
