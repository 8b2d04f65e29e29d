"""What several rooms need to learn: splits in time, encodings, intervals, compiled trees and nets."""
