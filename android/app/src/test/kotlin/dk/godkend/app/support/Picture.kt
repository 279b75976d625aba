package dk.godkend.app.support

import java.awt.image.BufferedImage
import java.awt.image.IndexColorModel
import java.io.File
import javax.imageio.ImageIO

/** Writes a screen as a small PNG: its 256 most frequent colours, which a flat design hardly exceeds. */
object Picture {
    fun write(pixels: IntArray, width: Int, height: Int, file: File) {
        val frequent = pixels.toTypedArray().groupingBy { it }.eachCount().entries.sortedByDescending { it.value }.take(COLOURS).map { it.key }
        val model = IndexColorModel(8, frequent.size, frequent.toIntArray(), 0, false, -1, java.awt.image.DataBuffer.TYPE_BYTE)
        val places = HashMap<Int, Int>()
        frequent.forEachIndexed { place, colour -> places[colour] = place }
        val image = BufferedImage(width, height, BufferedImage.TYPE_BYTE_INDEXED, model)
        val raster = image.raster
        pixels.forEachIndexed { at, colour ->
            raster.setSample(at % width, at / width, 0, places.getOrPut(colour) { nearest(colour, frequent) })
        }
        ImageIO.write(image, "png", file)
    }

    private fun nearest(colour: Int, among: List<Int>): Int = among.indices.minBy { place ->
        listOf(16, 8, 0).sumOf { shift ->
            val difference = (colour shr shift and 255) - (among[place] shr shift and 255)
            difference * difference
        }
    }

    private const val COLOURS = 48
}
